# Compiles mount-monitor from source inside Docker, for development: npx nx run app:docker
ARG NODE_IMAGE=node:24-slim

# Only what npm ci reads, so that the package layer below stays cached while sources change.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS manifests
COPY . /sources
RUN cd /sources \
  && find . -name package.json -o -name package-lock.json -o -name .npmrc -o -name bootstrap > /list \
  && mkdir /manifests \
  && tar -c -T /list | tar -x -C /manifests

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /workspace
COPY --from=manifests /manifests/ ./
# Without what only tests and checks need.
RUN --mount=type=cache,target=/root/.npm NPM_CONFIG_OMIT=dev ./bootstrap --packages-only
COPY . .
ARG TARGETARCH TARGETVARIANT
ENV NX_DAEMON=false
RUN npx nx run release:build-binaries --skip-nx-cache --platforms=linux/${TARGETARCH}${TARGETVARIANT:+/${TARGETVARIANT}}

FROM scratch
ARG TARGETARCH TARGETVARIANT
COPY --from=build /workspace/dist/bin/runtime-linux-${TARGETARCH}${TARGETVARIANT}/ /
COPY --from=build --chmod=755 /workspace/dist/bin/mount-monitor-linux-${TARGETARCH}${TARGETVARIANT} /mount-monitor
EXPOSE 8080
USER 65534
ENTRYPOINT ["/mount-monitor"]
