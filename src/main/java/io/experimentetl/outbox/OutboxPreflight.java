package io.experimentetl.outbox;

import io.experimentetl.tls.TlsFailure;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** Checks before the job is submitted that it can acknowledge rows of the outbox. */
public final class OutboxPreflight {
  private OutboxPreflight() {}

  /** All problems, each with its remedy; empty: none. */
  public static List<String> check(OutboxDatabase database) {
    List<String> problems = new ArrayList<>();
    try (Statement statement = database.getOrEstablishConnection().createStatement();
        ResultSet row = statement.executeQuery(database.mayAcknowledge())) {
      row.next();
      if (row.getString(1) == null) {
        problems.add(
            database
                + " has no outbox_events with the column processed_at: check source.schema, or set outbox.enabled: false.");
      } else if (!row.getBoolean(1)) {
        problems.add(
            database
                + ": the job's role must not UPDATE (processed_at) on outbox_events, so no row could be acknowledged."
                + " Apply sql/postgres/002_etl.sql, or grant the right.");
      }
    } catch (SQLException e) {
      String tls = TlsFailure.explain(e);
      problems.add(
          "The check of outbox_events in "
              + database
              + " failed: "
              + (tls == null ? e.getMessage() : tls)
              + " (SQLSTATE "
              + e.getSQLState()
              + "). The outbox relay needs this database (source.host, source.port, source.database) for every source.type.");
    } catch (IllegalStateException e) {
      // The message of the password's supplier contains the remedy.
      problems.add(e.getMessage());
    } finally {
      database.closeConnection();
    }
    return problems;
  }
}
