package io.experimentetl.serve;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** A request that is not answered as asked: a problem of RFC 9457. */
final class ProblemException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String title;

  /**
   * A problem.
   *
   * @param status HTTP's
   * @param title the kind of problem
   * @param detail what is wrong here, and what to do
   */
  ProblemException(int status, String title, String detail) {
    super(detail);
    this.status = status;
    this.title = title;
  }

  ProblemException(int status, String title, String detail, Throwable cause) {
    super(detail, cause);
    this.status = status;
    this.title = title;
  }

  /** A request whose parameters are wrong. */
  static ProblemException badRequest(String detail) {
    return new ProblemException(400, "Bad request", detail);
  }

  /** A request that is well formed and may not be done. */
  static ProblemException refused(String detail) {
    return new ProblemException(422, "Refused", detail);
  }

  int status() {
    return status;
  }

  /**
   * The body of the answer.
   *
   * @param path of the request
   */
  ObjectNode body(String path) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("type", "about:blank")
        .put("title", title)
        .put("status", status)
        .put("detail", getMessage())
        .put("instance", path);
  }
}
