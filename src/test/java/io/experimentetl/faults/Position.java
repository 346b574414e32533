package io.experimentetl.faults;

import java.util.function.LongBinaryOperator;

/**
 * A position in an HTTP request.
 *
 * @param name the name in test reports
 * @param bytesBefore the number of bytes before it, computed from the bytes of the head (with its
 *     empty line) and of the body
 */
public record Position(String name, LongBinaryOperator bytesBefore) {

  /** Before the headers are complete. */
  public static final Position IN_HEAD = new Position("in the head", (head, body) -> head / 2);

  /** The headers have passed, nothing of the body. */
  public static final Position BEFORE_BODY = new Position("before the body", (head, body) -> head);

  /** Half of the body has passed. */
  public static final Position IN_BODY =
      new Position("in the body", (head, body) -> head + body / 2);

  /** All but the last byte have passed. */
  public static final Position BEFORE_LAST_BYTE =
      new Position("before the last byte", (head, body) -> head + body - 1);

  /** The given number of bytes have passed, or the whole request if it is shorter. */
  public static Position after(long bytes) {
    return new Position("after " + bytes + " bytes", (head, body) -> Math.min(bytes, head + body));
  }

  long resolve(long head, long body) {
    return bytesBefore.applyAsLong(head, body);
  }

  @Override
  public String toString() {
    return name;
  }
}
