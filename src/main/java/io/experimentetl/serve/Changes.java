package io.experimentetl.serve;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Semaphore;

/** Makes the changes that requests ask for: a few at a time, and each recorded. */
final class Changes {
  /** The other threads stay free for reading and for {@code /health}. */
  private static final int AT_ONCE = 4;

  private final ActionLog log;
  private final Semaphore free = new Semaphore(AT_ONCE);

  Changes(ActionLog log) {
    this.log = log;
  }

  /** Makes one change. */
  Object make(Route route, Request request) throws Exception {
    if (!free.tryAcquire()) {
      throw new ProblemException(
          503, "Busy", AT_ONCE + " changes are being made: send the request again later.");
    }
    try {
      String what = route.method() + " " + route.path();
      Map<String, Object> parameters = new LinkedHashMap<>(request.path());
      parameters.putAll(request.values());
      String id = log.begin(request.sender(), what, parameters);
      String outcome = "failed";
      try {
        Object answer = route.handler().answer(request);
        outcome = "done";
        return answer;
      } catch (Exception e) {
        outcome = "failed: " + Problems.of(e).getMessage();
        throw e;
      } finally {
        log.end(id, request.sender(), what, outcome);
      }
    } finally {
      free.release();
    }
  }
}
