package io.experimentetl.cdc;

import java.sql.SQLException;
import java.util.regex.Pattern;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.util.ExceptionUtils;
import org.postgresql.util.PSQLException;

/**
 * Judges failures of the source. A restart heals a lost connection, a server that starts, and a
 * slot that another session still holds. It does not heal what this class has a remedy for: the job
 * must end FAILED with that remedy.
 */
final class SourceFailure {

  private static final String RESYNC =
      "What was written meanwhile cannot be read from the log: " + Continuity.START_ANEW;

  private static final Pattern ABOUT_A_SLOT = Pattern.compile("(?i)slot");

  private static final Pattern WAL_REMOVED =
      Pattern.compile("(?s).*(has already been removed|has been removed from the database).*");

  private static final String NO_PUBLICATION = "Publication autocreation is disabled";

  private final PostgresSourceSettings settings;

  SourceFailure(PostgresSourceSettings settings) {
    this.settings = settings;
  }

  /**
   * The exception to throw for this failure.
   *
   * @return a {@link SuppressRestartsException} with the remedy if a restart cannot heal it; else
   *     the failure itself
   */
  Exception judged(Exception failure) {
    if (ExceptionUtils.findThrowable(failure, SuppressRestartsException.class).isPresent()) {
      return failure;
    }
    String remedy = remedy(failure);
    return remedy == null
        ? failure
        : new SuppressRestartsException(new UnreadableSourceException(remedy, failure));
  }

  /** What has failed, where, and what to do; null: a restart may heal it. */
  String remedy(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      String remedy =
          cause instanceof SQLException sql ? ofState(sql) : ofMessage(cause.getMessage());
      if (remedy != null) {
        return remedy;
      }
      if (cause.getCause() == cause) {
        return null;
      }
    }
    return null;
  }

  private String ofMessage(String message) {
    if (message == null) {
      return null;
    }
    if (message.contains(NO_PUBLICATION)) {
      return noPublication("");
    }
    return WAL_REMOVED.matcher(message).matches() ? walRemoved(message) : null;
  }

  private String ofState(SQLException failure) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    String message = messageOf(failure);
    String said = " The server says: " + message;
    // The lines behind the first one are its context, which names the slot in every error.
    boolean isAboutASlot = ABOUT_A_SLOT.matcher(message.lines().findFirst().orElse("")).find();
    return switch (state) {
      // undefined_object: of the stream's options, publication and slot are objects.
      case "42704" ->
          isAboutASlot
              ? Continuity.missingSlot(settings.slot(), settings.place())
              : noPublication(said);
      // character_not_in_repertoire, untranslatable_character
      case "22021", "22P05" ->
          "PostgreSQL "
              + settings.place()
              + " holds a text that its encoding cannot express in UTF-8. Correct the text, or move the database into one with ENCODING 'UTF8'. "
              + RESYNC
              + said;
      case "42501" ->
          "The role "
              + settings.username()
              + " may not read from PostgreSQL "
              + settings.place()
              + ": apply sql/postgres/002_etl.sql, then submit the job again from its last checkpoint."
              + said;
      case "28000", "28P01" ->
          "PostgreSQL "
              + settings.place()
              + " refuses the login of "
              + settings.username()
              + ": check source.username, the password and pg_hba.conf, then submit the job again from its last checkpoint."
              + said;
      case "3D000" ->
          "PostgreSQL "
              + settings.host()
              + ":"
              + settings.port()
              + " has no database "
              + settings.database()
              + ": check source.database."
              + said;
      case "42P01", "3F000", "42703" ->
          "A table or column that the job reads is missing in PostgreSQL "
              + settings.place()
              + ": check source.schema, apply sql/postgres/002_etl.sql, then submit the job again from its last checkpoint."
              + said;
      // object_not_in_prerequisite_state
      case "55000" -> isAboutASlot ? slotInvalidated(said) : walLevel(said);
      // undefined_file
      case "58P01" -> walRemoved(message);
      default -> null;
    };
  }

  /** Without the server's context, which names the slot in every failure of decoding. */
  private static String messageOf(SQLException failure) {
    String message =
        failure instanceof PSQLException server && server.getServerErrorMessage() != null
            ? server.getServerErrorMessage().getMessage()
            : failure.getMessage();
    return message == null ? "" : message;
  }

  private String noPublication(String said) {
    return "The publication "
        + settings.publication()
        + " does not exist in PostgreSQL "
        + settings.place()
        + ", or did not exist when a change was written: apply sql/postgres/002_etl.sql. "
        + RESYNC
        + said;
  }

  private String slotInvalidated(String said) {
    return "The replication slot "
        + settings.slot()
        + " on "
        + settings.place()
        + " can no longer be read: drop it, apply sql/postgres/003_slot.sql, and raise max_slot_wal_keep_size. "
        + RESYNC
        + said;
  }

  private String walLevel(String said) {
    return "PostgreSQL "
        + settings.place()
        + " cannot decode its log: set wal_level = logical and restart the server; a standby needs PostgreSQL 16 or newer."
        + said;
  }

  private String walRemoved(String message) {
    return "PostgreSQL "
        + settings.place()
        + " has removed WAL that the slot "
        + settings.slot()
        + " still needs: drop it, apply sql/postgres/003_slot.sql, and raise max_slot_wal_keep_size. "
        + RESYNC
        + " The server says: "
        + message;
  }

  /** A failure of the source that no restart heals. */
  static final class UnreadableSourceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private UnreadableSourceException(String remedy, Throwable cause) {
      super(remedy, cause);
    }
  }
}
