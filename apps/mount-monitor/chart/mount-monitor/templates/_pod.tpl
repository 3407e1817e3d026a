{{/* The sidecar, as one item of `initContainers`. It must be the last one. */}}
{{- define "mount-monitor.sidecar" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $watchdog := ($values.config.watchdog | default dict).enabled -}}
{{- $budget := printf "%s-budget" (include "mount-monitor.fullname" .) -}}
- name: mount-monitor
  image: {{ include "mount-monitor.image" . | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  args: ["--config", "/etc/mount-monitor/config.json"]
  env:
    - name: POD_NAME
      valueFrom:
        fieldRef:
          fieldPath: metadata.name
    - name: POD_NAMESPACE
      valueFrom:
        fieldRef:
          fieldPath: metadata.namespace
    - name: POD_UID
      valueFrom:
        fieldRef:
          fieldPath: metadata.uid
    {{- if ne $budget "mount-monitor-budget" }}
    - name: WATCHDOG_BUDGET_CONFIGMAP
      value: {{ $budget }}
    {{- end }}
    {{- with $values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: mount-monitor
      containerPort: {{ $values.config.httpPort | default 8080 | int }}
  startupProbe:
    httpGet:
      path: /healthz/ready
      port: mount-monitor
    periodSeconds: 5
    timeoutSeconds: 3
    failureThreshold: {{ $values.startupFailureThreshold }}
  readinessProbe:
    httpGet:
      path: /healthz/ready
      port: mount-monitor
    periodSeconds: 10
    timeoutSeconds: 3
  livenessProbe:
    httpGet:
      path: /healthz/self
      port: mount-monitor
    periodSeconds: 10
    timeoutSeconds: 3
    failureThreshold: 3
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  securityContext:
    {{- toYaml $values.securityContext | nindent 4 }}
  volumeMounts:
    - name: {{ $values.mountsVolume.name }}
      mountPath: {{ $values.mountsVolume.mountPath }}
      mountPropagation: HostToContainer
      readOnly: true
    - name: mount-monitor-config
      mountPath: /etc/mount-monitor
      readOnly: true
    {{- if $watchdog }}
    - name: kube-api-access
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
    {{- end }}
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* The items of the pod's `volumes` that the sidecar needs. */}}
{{- define "mount-monitor.volumes" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
- name: mount-monitor-config
  configMap:
    name: {{ include "mount-monitor.fullname" . }}-config
{{- if ($values.config.watchdog | default dict).enabled }}
- name: kube-api-access
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}
{{- end -}}

{{/* For a container that holds on to dead mounts: restarts it while a mount is unhealthy. */}}
{{- define "mount-monitor.livenessProbe" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
httpGet:
  path: /healthz/live
  port: {{ $values.config.httpPort | default 8080 | int }}
periodSeconds: 10
timeoutSeconds: 3
failureThreshold: 3
{{- end -}}
