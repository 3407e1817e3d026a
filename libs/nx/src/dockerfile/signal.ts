const NAMES =
  'ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ';
const REAL_TIME = 'RTMIN(?:\\+(?:[1-9]|1[0-5]))?|RTMAX(?:-(?:[1-9]|1[0-4]))?';
const SIGNAL = new RegExp(`^(?:(?:SIG)?(?:${NAMES}|${REAL_TIME})|[1-9]|[1-5]\\d|6[0-4])$`, 'i');

/**
 * Whether a text is a Linux signal by the rules of BuildKit and engines, which refuse an image with any other.
 * https://github.com/moby/sys/blob/main/signal/signal_linux.go
 */
export function isSignal(text: string): boolean {
  return SIGNAL.test(text);
}
