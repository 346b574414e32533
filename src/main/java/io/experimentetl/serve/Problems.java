package io.experimentetl.serve;

import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.operations.OperationsException;
import java.sql.SQLException;
import java.util.Optional;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** Turns failures into problems. A message of ours or of a server has no secret in it. */
final class Problems {
  private Problems() {}

  static ProblemException of(Exception e) {
    if (e instanceof ProblemException problem) {
      return problem;
    }
    if (e instanceof SQLException refusal) {
      return of(refusal);
    }
    if (e instanceof OperationsException || e instanceof InvalidConfigurationException) {
      return new ProblemException(503, "Not possible now", e.getMessage(), e);
    }
    return new ProblemException(500, "Internal error", "serve failed; its log has the reason.", e);
  }

  private static ProblemException of(SQLException e) {
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    String detail = detail(e);
    return switch (state) {
      // invalid_parameter_value, undefined_object: of our functions, about the request.
      case "22023", "42704" -> new ProblemException(422, "Refused", detail, e);
      // object_not_in_prerequisite_state: nothing says what ClickHouse has got.
      case "55000" -> new ProblemException(409, "Refused", detail, e);
      case "42883", "42P01" ->
          new ProblemException(
              503,
              "Not set up",
              detail
                  + " Apply sql/postgres/004_partitions.sql and 005_retention.sql in the schema source.schema.",
              e);
      case "57014" ->
          new ProblemException(
              504,
              "Timed out",
              "PostgreSQL did not finish in time. What it had committed stays.",
              e);
      case "55P03", "40P01" ->
          new ProblemException(503, "Locked", detail + " Send the request again later.", e);
      default -> new ProblemException(503, "PostgreSQL refused", detail, e);
    };
  }

  /** The message with the hint, without the context, which shows the functions' code. */
  private static String detail(SQLException e) {
    Optional<ServerErrorMessage> message =
        e instanceof PSQLException refusal
            ? Optional.ofNullable(refusal.getServerErrorMessage())
            : Optional.empty();
    return message
        .map(
            text ->
                text.getHint() == null
                    ? text.getMessage()
                    : text.getMessage() + " " + text.getHint())
        .orElseGet(e::getMessage);
  }
}
