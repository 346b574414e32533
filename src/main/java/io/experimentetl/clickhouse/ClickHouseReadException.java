package io.experimentetl.clickhouse;

import com.clickhouse.client.api.ServerException;
import io.experimentetl.tls.TlsFailure;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.regex.Pattern;

/**
 * A query that was not answered. The message names the server and quotes its answer; {@link
 * #reason} lets the caller add the remedy, which depends on where the address and the password came
 * from.
 */
public final class ClickHouseReadException extends IOException {
  private static final long serialVersionUID = 1L;
  private static final int MESSAGE_LIMIT = 600;

  /** The driver appends it. */
  private static final Pattern QUERY_ID = Pattern.compile(" *\\(queryId= [^)]*\\)$");

  /** Why there is no answer. */
  public enum Reason {
    /** Nothing listens there, or the connection broke. */
    UNREACHABLE,
    /** No complete answer within the timeout. */
    TIMED_OUT,
    /** The password is not where the configuration says. */
    PASSWORD_MISSING,
    /** Unknown user or wrong password. */
    AUTHENTICATION,
    /** The user does not have a privilege. */
    ACCESS_DENIED,
    /** The database, table or column does not exist. */
    UNKNOWN_OBJECT,
    /** Any other error of the server. */
    REFUSED
  }

  private final Reason reason;
  private final int code;
  private final String detail;

  private ClickHouseReadException(
      ClickHouseConnection server,
      Reason reason,
      int code,
      String problem,
      String detail,
      Throwable cause) {
    super("ClickHouse at " + server.url() + " " + problem + ": " + detail, cause);
    this.reason = reason;
    this.code = code;
    this.detail = detail;
  }

  static ClickHouseReadException timedOut(
      ClickHouseConnection server, Duration timeout, Throwable cause) {
    return new ClickHouseReadException(
        server,
        Reason.TIMED_OUT,
        0,
        "does not answer",
        "no complete answer within " + timeout.toMillis() + " ms",
        cause);
  }

  static ClickHouseReadException withoutPassword(ClickHouseConnection server, IOException cause) {
    return new ClickHouseReadException(
        server,
        Reason.PASSWORD_MISSING,
        0,
        "cannot be read, the password is missing",
        String.valueOf(cause.getMessage()),
        cause);
  }

  static ClickHouseReadException of(ClickHouseConnection server, Throwable failure) {
    Throwable root = TlsFailure.innermost(failure);
    for (Throwable cause = failure; cause != null; cause = next(cause, root)) {
      if (cause instanceof ServerException answer) {
        return new ClickHouseReadException(
            server,
            reason(answer),
            answer.getCode(),
            "refused the query",
            shortened(answer.getMessage()),
            failure);
      }
    }
    String tls = TlsFailure.explain(failure);
    return new ClickHouseReadException(
        server,
        Reason.UNREACHABLE,
        failure instanceof SQLException sql ? sql.getErrorCode() : 0,
        "does not answer",
        tls == null
            ? shortened(String.valueOf(root))
            : tls + " (" + shortened(String.valueOf(root)) + ")",
        failure);
  }

  /** The cause below; null below the innermost one. */
  private static Throwable next(Throwable cause, Throwable innermost) {
    return cause.equals(innermost) ? null : cause.getCause();
  }

  /** https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp. */
  private static Reason reason(ServerException answer) {
    return switch (answer.getCode()) {
      case 192, 193, 194, 516 -> Reason.AUTHENTICATION;
      case 497 -> Reason.ACCESS_DENIED;
      case 16, 47, 60, 81 -> Reason.UNKNOWN_OBJECT;
      default ->
          answer.getTransportProtocolCode() == 401 || answer.getTransportProtocolCode() == 403
              ? Reason.AUTHENTICATION
              : Reason.REFUSED;
    };
  }

  private static String shortened(String message) {
    String line = QUERY_ID.matcher(message).replaceFirst("").strip();
    return line.length() <= MESSAGE_LIMIT ? line : line.substring(0, MESSAGE_LIMIT) + " …";
  }

  public Reason reason() {
    return reason;
  }

  /** ClickHouse's error code; 0 when it gave none. */
  public int code() {
    return code;
  }

  /** The server's message, or the error of the connection, on one line. */
  public String detail() {
    return detail;
  }
}
