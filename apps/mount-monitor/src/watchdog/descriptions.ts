import type { EventText } from './kube/requests.ts';
import type { Settings, UnhealthyMount } from './machine-types.ts';

/** One line per mount: its name, its path and what is wrong. */
export function describeMounts(mounts: readonly UnhealthyMount[]): readonly string[] {
  return mounts.map(({ name, path, reason, error }) => {
    const title = name === undefined || name === path ? path : `${name} (${path})`;
    const why = [reason, error].filter((text) => text !== undefined && text !== '').join(', ');
    return why === '' ? title : `${title}: ${why}`;
  });
}

const actions = { delete: 'Delete', evict: 'Evict', exit: 'Exit', notify: 'Notify' } as const;

/** Returns the Event for a restart or notification. */
export function eventFor(
  mode: Settings['mode'],
  unhealthy: readonly UnhealthyMount[],
): Omit<EventText, 'at'> {
  const count = unhealthy.length === 1 ? '1 mount is' : `${unhealthy.length} mounts are`;
  return {
    reason: mode === 'notify' ? 'MountUnhealthy' : 'RestartingPod',
    action: actions[mode],
    note: `${count} unhealthy: ${describeMounts(unhealthy).join('; ')}`,
  };
}
