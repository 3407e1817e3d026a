/** Where the pages of this version are: what the status page links to, and the alerts. `npm run address` changes it. */
export const documentation = 'https://github.com/OWNER/mount-monitor/blob/main/docs';
