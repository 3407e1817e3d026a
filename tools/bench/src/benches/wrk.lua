-- Prints what wrk measured as one line of JSON (https://github.com/wg/wrk/blob/master/SCRIPTING). Times are in µs.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"p99":%d,"errors":%d}\n',
    summary.requests,
    summary.duration,
    latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
