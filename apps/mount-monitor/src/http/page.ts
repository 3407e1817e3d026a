/** The headers of the status page: nothing may be loaded from anywhere but this server's status. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/** The status page, a shell that fills itself from /healthz/status. */
export const statusPage = '<!doctype html><title>mount-monitor</title>';
