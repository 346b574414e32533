package io.experimentetl.local;

import io.experimentetl.operations.SqlFiles;
import java.io.PrintStream;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * What has to be done before the job can start without state: everything is read and written again,
 * so nothing of it may be there. Only servers of our own are changed.
 */
public final class FreshStart {
  private static final String SLOT = "experiment_etl";

  private final PlatformAddresses platform;
  private final Path home;
  private final Path directory;

  public FreshStart(PlatformAddresses platform, Path home, Path directory) {
    this.platform = platform;
    this.home = home;
    this.directory = directory;
  }

  /**
   * Empties the tables, and makes a missing or lost slot anew; says what it did.
   *
   * @throws PlatformException where rows stand in a ClickHouse that is not ours
   */
  public void prepare(PrintStream out) {
    List<String> full = fullTables();
    if (!full.isEmpty() && !platform.launch().ownClickHouse()) {
      throw new PlatformException(
          "--fresh empties only a ClickHouse that ./etl started; %s holds rows in %s: name an empty database (./etl down, then ./etl up --clickhouse-url http://USER@HOST:PORT/EMPTY_DATABASE)"
              .formatted(platform.clickHouse(), String.join(", ", full)));
    }
    JobDeployment.forgetState(directory);
    for (String table : full) {
      long rows = platform.clickHouse().count("SELECT count() FROM `" + table + "`");
      platform.clickHouse().query("TRUNCATE TABLE `" + table + "`");
      out.printf("emptied %s (%,d rows)%n", table, rows);
    }
    mendSlot(out::println);
  }

  /** The sinks' tables, told from others by their batch ids. */
  private List<String> fullTables() {
    return platform
        .clickHouse()
        .query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name IN"
                + " (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = '_batch_id')"
                + " ORDER BY name")
        .lines()
        .collect(Collectors.toList());
  }

  /** Makes a missing or lost slot of our own server anew. */
  public void mendSlot(Consumer<String> log) {
    if (!platform.launch().ownPostgres()) {
      return;
    }
    try (Connection connection = platform.postgres().connect();
        Statement statement = connection.createStatement()) {
      String status = "missing";
      try (ResultSet slot =
          statement.executeQuery(
              "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '" + SLOT + "'")) {
        if (slot.next()) {
          status = slot.getString(1);
        }
      }
      if (status.equals("lost")) {
        statement.execute("SELECT pg_drop_replication_slot('" + SLOT + "')");
      }
      if (status.equals("lost") || status.equals("missing")) {
        new SqlFiles(home.resolve("sql")).applyTo(platform.postgres().login());
        log.accept("made the replication slot %s, which was %s".formatted(SLOT, status));
      }
    } catch (SQLException e) {
      throw new PlatformException(
          "the replication slot of "
              + platform.postgres()
              + " can't be looked at: "
              + e.getMessage(),
          e);
    }
  }
}
