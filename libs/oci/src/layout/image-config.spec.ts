import { describe, expect, it } from 'vitest';
import { formatImageConfig } from '../index.ts';

describe('formatImageConfig', () => {
  it('writes the same members, order and escapes as BuildKit', () => {
    const text = formatImageConfig({
      architecture: 'arm',
      os: 'linux',
      variant: 'v7',
      created: 1_700_000_000,
      config: {
        labels: { z: '<&>', a: '\u2028é' },
        stopSignal: 'SIGTERM',
        workingDir: '/w',
        cmd: ['serve'],
        argsEscaped: true,
        entrypoint: ['/app'],
        env: ['PATH=/bin', 'A=1'],
        exposedPorts: ['9000/tcp', '53/udp'],
        volumes: ['/v2', '/v1'],
        user: '65534',
        healthcheck: { test: ['CMD', '/app'], interval: 5e9, timeout: 0, retries: 2 },
      },
      history: [
        { createdBy: 'COPY a <b>', emptyLayer: false },
        { createdBy: 'USER 65534', emptyLayer: true },
      ],
      diffIds: [],
    });
    expect(text).toBe(
      '{"architecture":"arm","config":{"User":"65534","ExposedPorts":{"53/udp":{},"9000/tcp":{}},' +
        '"Env":["PATH=/bin","A=1"],"Entrypoint":["/app"],"Cmd":["serve"],"Volumes":{"/v1":{},"/v2":{}},' +
        '"WorkingDir":"/w","Labels":{"a":"\\u2028é","z":"\\u003c\\u0026\\u003e"},"StopSignal":"SIGTERM",' +
        '"ArgsEscaped":true,"Healthcheck":{"Test":["CMD","/app"],"Interval":5000000000,"Retries":2}},' +
        '"created":"2023-11-14T22:13:20Z","history":[{"created":"2023-11-14T22:13:20Z",' +
        '"created_by":"COPY a \\u003cb\\u003e","comment":"buildkit.dockerfile.v0"},' +
        '{"created":"2023-11-14T22:13:20Z","created_by":"USER 65534","comment":"buildkit.dockerfile.v0",' +
        '"empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}',
    );
  });

  it('leaves unset members out of the configuration', () => {
    const text = formatImageConfig({
      architecture: 'amd64',
      os: 'linux',
      created: 0,
      config: { env: [], workingDir: '/', labels: {}, cmd: [], entrypoint: [], user: '' },
      history: [],
      diffIds: [],
    });
    expect(JSON.parse(text).config).toEqual({ Env: [], WorkingDir: '/' });
  });
});
