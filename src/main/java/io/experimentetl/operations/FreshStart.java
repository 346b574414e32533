package io.experimentetl.operations;

import io.experimentetl.config.SourceType;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Clock;
import java.util.List;
import java.util.function.Consumer;

/**
 * Prepares a start without state. Such a start reads and writes everything again, so the warehouse
 * must be empty. The stream begins where the replication slot stands, so the slot is made anew:
 * what an old one still holds would be read in vain, or cannot be read at all.
 */
public final class FreshStart {
  private final Deployment deployment;

  public FreshStart(Deployment deployment) {
    this.deployment = deployment;
  }

  /**
   * Checks, before anything is changed, that the tables may be emptied.
   *
   * @return the tables that hold rows
   * @throws OperationsException when rows are in a ClickHouse that may serve others, or in an
   *     archive
   */
  List<String> requireAllowed() {
    requireEmptyArchive();
    ClickHouseLogin clickHouse = deployment.databases().clickHouse();
    List<String> full = fullTables(clickHouse);
    if (!full.isEmpty() && !deployment.ownServers().contains(Deployment.Server.CLICKHOUSE)) {
      throw new OperationsException(
          "--fresh empties only a ClickHouse that ./etl started; %s holds rows in %s: name an empty database (clickhouse.database), or empty these tables"
              .formatted(clickHouse, String.join(", ", full)));
    }
    return full;
  }

  /**
   * Empties the tables, and makes the slot anew.
   *
   * @throws OperationsException when rows are in a ClickHouse that may serve others
   */
  public void prepare(Consumer<String> log) {
    List<String> full = requireAllowed();
    ClickHouseLogin clickHouse = deployment.databases().clickHouse();
    deployment.memory().startFresh();
    for (String table : full) {
      long rows = clickHouse.count("SELECT count() FROM `" + table + "`");
      clickHouse.execute("TRUNCATE TABLE `" + table + "`");
      log.accept("emptied %s (%,d rows)".formatted(table, rows));
    }
    replaceSlot(log);
  }

  /**
   * A warehouse that begins anew has no statistics of archived months, and does not know who of
   * them was erased.
   */
  private void requireEmptyArchive() {
    ColdStorage archive = new ColdStorage(deployment.databases(), Clock.systemUTC());
    int months = archive.isOn() ? archive.list().size() : 0;
    if (months > 0) {
      throw new OperationsException(
          "a fresh start would know nothing of what the archive has (archive --list, %d entries): use resync, which keeps it; or give the fresh warehouse an archive of its own (archive.folder, or archive.s3.prefix)"
              .formatted(months));
    }
  }

  /** The sinks' tables have batch ids. */
  private static List<String> fullTables(ClickHouseLogin clickHouse) {
    return clickHouse.list(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name IN"
            + " (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = '_batch_id')"
            + " ORDER BY name",
        row -> row.getString(1));
  }

  /**
   * Makes the replication slot anew.
   *
   * @throws OperationsException another reader holds it, or the user may not make it
   */
  void replaceSlot(Consumer<String> log) {
    if (deployment.config().source().type() != SourceType.POSTGRES) {
      return;
    }
    String slot = deployment.config().source().slot();
    PostgresLogin postgres = deployment.databases().postgres();
    try (Connection connection = postgres.connect()) {
      ReplicationSlots.drop(connection, slot);
      execute(connection, "SELECT set_config('experiment_etl.slot', ?, false)", slot);
      SqlFiles.bundled().createSlot(connection);
      log.accept("made the replication slot %s".formatted(slot));
    } catch (SQLException e) {
      throw new OperationsException(
          "the replication slot %s of %s cannot be made anew: %s. End what reads it, or name a user with the REPLICATION right"
              .formatted(slot, postgres, e.getMessage()),
          e);
    }
  }

  private static void execute(Connection connection, String sql, String parameter)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, parameter);
      statement.execute();
    }
  }
}
