package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.archive.Archive;
import io.experimentetl.archive.ArchiveStore;
import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.archive.Manifest;
import io.experimentetl.archive.MonthArchiver;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.TestCluster;
import io.experimentetl.local.demo.RunningJob;
import io.experimentetl.model.SourceTable;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** The slot is lost and the only savepoint is older than the warehouse. */
class ResyncIT {
  private static final Path HOME = Path.of("").toAbsolutePath();
  private static final Path JAR = HOME.resolve("target/experiment-etl.jar");

  /** New users of days whose events the source has deleted by retention, except one. */
  private static final String OLD_USERS =
      "SELECT sum(new_users) FROM experiment_daily_stats FINAL WHERE day < today() - 100 AND metric = 'conversion'";

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path folder;

  private Platform platform;
  private PlatformAddresses addresses;

  @BeforeEach
  void start() throws SQLException, IOException {
    platform = Platform.start(folder, HOME, TestCluster.platform());
    addresses = platform.addresses();
    Files.writeString(
        addresses.jobConfig(),
        "\narchive: {folder: '%s'}\n".formatted(Files.createDirectory(folder.resolve("cold"))),
        StandardOpenOption.APPEND);
    execute(
        """
        SELECT create_events_partition((now() - days * interval '1 day')::date) FROM generate_series(-2, 130, 22) days;
        INSERT INTO experiments (id, key, name, status, seed, starts_at)
        VALUES (1, 'e1', 'E 1', 'ACTIVE', 's', now() - interval '130 days');
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        VALUES (1, 1, 'a', 'A', 50, true), (2, 1, 'b', 'B', 50, false);
        INSERT INTO users (user_id) SELECT 'u' || n FROM generate_series(1, 20) AS n;
        INSERT INTO assignments (id, experiment_id, user_id, variant_id, source, assigned_at)
        SELECT n, 1, 'u' || n, 1 + n % 2, 'hash', now() - interval '125 days' FROM generate_series(1, 20) AS n;
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT ('00000000-0000-0000-0000-000000000a' || lpad(n::text, 2, '0'))::uuid, now() - interval '120 days', 1, 'u' || n, 1 + n % 2, 'exposure', '{"a": "tab\\t and \\\\"}'
        FROM generate_series(1, 20) AS n;
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT ('00000000-0000-0000-0000-000000000b' || lpad(n::text, 2, '0'))::uuid, now() - interval '5 days', 1, 'u' || n, 1 + n % 2, 'purchase', '{"revenue": 5}'
        FROM generate_series(1, 20) AS n;
        """);
  }

  @AfterEach
  void stop() {
    platform.close();
  }

  private void execute(String sql) throws SQLException {
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private RunningJob submit(Optional<String> from) {
    return RunningJob.submit(addresses, JAR, from, 2, List.of());
  }

  /** Long because its steps are one resync, from the lost slot to the repaired rows. */
  @Test
  void resyncRepairsTheWarehouseAfterALostSlot() throws Exception {
    RunningJob job = submit(Optional.empty());
    job.awaitVisible();
    execute("DELETE FROM events WHERE timestamp < now() - interval '100 days' AND user_id <> 'u3'");
    job.awaitVisible();
    String savepoint = job.stop();
    job = submit(Optional.of(savepoint));
    // Changes that reach the warehouse after the savepoint.
    execute(
        "UPDATE events SET properties = '{\"revenue\": 9}' WHERE user_id = 'u4' AND event_type = 'purchase'");
    execute(
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES ('00000000-0000-0000-0000-000000000c01', now() - interval '1 day', 1, 'u5', 2, 'conversion')");
    job.awaitVisible();
    assertThat(addresses.clickHouse().count(OLD_USERS)).isEqualTo(20);
    job.stop();
    execute("SELECT pg_drop_replication_slot('experiment_etl')");
    // Changes of all kinds that no slot keeps.
    execute(
        """
        UPDATE events SET properties = '{"revenue": 5}' WHERE user_id = 'u4' AND event_type = 'purchase';
        DELETE FROM events WHERE id = '00000000-0000-0000-0000-000000000c01';
        DELETE FROM events WHERE id = '00000000-0000-0000-0000-000000000b06';
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type) VALUES ('00000000-0000-0000-0000-000000000c02', now() - interval '2 days', 1, 'u7', 2, 'conversion');
        DELETE FROM users WHERE user_id = 'u8';
        INSERT INTO users (user_id) VALUES ('u21');
        UPDATE variants SET name = 'B renamed', updated_at = now() WHERE id = 2;
        """);

    assertThatThrownBy(() -> submit(Optional.of(savepoint)))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("The replication slot experiment_etl")
        .hasMessageContaining("./etl resync");

    archiveOldEvents();
    assertThat(addresses.clickHouse().query("SELECT count() FROM events_processed FINAL"))
        .as("the 20 old ones are in the archive")
        .isEqualTo("21");

    assertThatThrownBy(() -> new FreshStart(addresses.deployment(JAR)).requireAllowed())
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("use resync, which keeps it");

    // A resync that was killed leaves its mark, and is begun again.
    Deployment deployment = addresses.deployment(JAR);
    new UnfinishedResync(deployment).begin();
    StringWriter out = new StringWriter();
    String after = new Resync(deployment, 2, Lines.to(new PrintWriter(out))).run();

    assertThat(deployment.memory().resyncMark()).as("the mark of an unfinished one").doesNotExist();
    assertThat(repairs())
        .containsExactlyInAnyOrder(
            "variants\tstale\t(2)",
            "users\tgone at the source\t('u8')",
            "users\tmissing\t('u21')",
            "assignments_processed\tgone at the source\t(1,'u8',8)",
            "events_processed\tgone at the source\ta08 of u8",
            "events_processed\tgone at the source\tb08 of u8",
            "events_processed\tgone at the source\tc01 of u5",
            "events_processed\tgone at the source\tb06 of u6",
            "events_processed\tstale\tb04 of u4",
            "events_processed\tmissing\tc02 of u7");
    execute(
        "UPDATE events SET properties = '{\"revenue\": 6}' WHERE id = '00000000-0000-0000-0000-000000000b09'");
    RunningJob running = RunningJob.of(addresses, JAR, after);
    running.awaitVisible();
    AuditReport audit = running.audit();
    assertThat(audit.differences()).as(out::toString).isEmpty();
    assertThat(addresses.clickHouse().query("SELECT count() FROM events_processed FINAL"))
        .as("20 old and 20 new ones, one missing, without u8's two and the deleted one")
        .isEqualTo("38");
    assertThat(addresses.clickHouse().count(OLD_USERS))
        .as("rows that retention has deleted are kept and counted, without the erased user")
        .isEqualTo(19);
    assertThat(archivedRows()).as("without the user who was erased meanwhile").isEqualTo(19);
    readOneTableAgain(running);
  }

  /**
   * The old events. A row is archived a day after its commit, so a progress marker of the day after
   * tomorrow stands there meanwhile.
   */
  private void archiveOldEvents() throws IOException, InterruptedException {
    ClickHouseEndpoint warehouse = addresses.clickHouse();
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) SELECT max(sequence_number) + 8, max(lsn), max(committed_at) + INTERVAL 2 DAY, true, max(written_at) + INTERVAL 2 DAY FROM etl_sink_progress");
    try (Archive archive = archive();
        ClickHouseFiles files =
            new ClickHouseFiles(warehouse.login().connection(), Duration.ofMinutes(1))) {
      MonthArchiver archiver = new MonthArchiver(archive, files, Clock.systemUTC());
      for (MonthArchiver.Due due :
          archiver.due(ArchivedTable.EVENTS, Instant.now().minus(Duration.ofDays(88)))) {
        archiver.archive(due);
      }
    }
    warehouse.query(
        "ALTER TABLE etl_sink_progress DELETE WHERE written_at > now() + INTERVAL 1 DAY SETTINGS mutations_sync = 2");
  }

  private Archive archive() throws IOException {
    return new Archive(ArchiveStore.open(addresses.loadJobConfig().archive()));
  }

  private long archivedRows() throws IOException {
    try (Archive archive = archive()) {
      return archive.manifests().stream().mapToLong(Manifest::rows).sum();
    }
  }

  private void readOneTableAgain(RunningJob running) throws Exception {
    StringWriter out = new StringWriter();
    TableResync resync =
        new TableResync(addresses.deployment(JAR), Lines.to(new PrintWriter(out, true)));
    assertThatThrownBy(() -> resync.run("nothing", null))
        .hasMessage("nothing is not one of the tables that the job reads");
    assertThatThrownBy(() -> resync.run(null, "no_such_partition"))
        .hasMessage("no_such_partition is no partition of a table of the job");
    assertThatThrownBy(() -> resync.run("assignments", "events_default"))
        .hasMessage("events_default is no partition of assignments");
    assertThatThrownBy(() -> resync.run("outbox_events", null))
        .hasMessage("ClickHouse does not hold the rows of outbox_events");

    // The change never enters the stream, and the request is there when the job next looks.
    execute(
        """
        BEGIN;
        ALTER PUBLICATION experiment_etl DROP TABLE assignments;
        UPDATE assignments SET source = 'api' WHERE user_id = 'u1';
        ALTER PUBLICATION experiment_etl ADD TABLE assignments;
        INSERT INTO etl_heartbeat (writer, beat_at) VALUES ('%s', now());
        COMMIT;
        """
            .formatted(ResyncRequest.of(SourceTable.ASSIGNMENTS, "assignments").writer()));
    assertThat(resync.run("assignments", null)).isTrue();
    running.awaitVisible();
    assertThat(
            addresses
                .clickHouse()
                .query("SELECT source FROM assignments_processed FINAL WHERE user_id = 'u1'"))
        .isEqualTo("api");
    String partition =
        DateTimeFormatter.ofPattern("'events_'uuuu_MM")
            .format(LocalDate.now(ZoneOffset.UTC).minusDays(5));
    assertThat(resync.run(null, partition)).isTrue();
    readAgainWhatOnlyClickHouseHasLost(running, resync);
    assertThat(out.toString())
        .contains("the job compares assignments and reads the rows that differ")
        .contains("PostgreSQL and ClickHouse agree about assignments")
        .contains("the job compares " + partition)
        .contains("PostgreSQL and ClickHouse agree about events");
  }

  /** The job's state knows these rows, and that the source has not changed them. */
  private void readAgainWhatOnlyClickHouseHasLost(RunningJob running, TableResync resync)
      throws Exception {
    for (Map.Entry<String, String> lost :
        Map.of(
                "experiments", "id = 1",
                "variants", "id = 2",
                "users", "user_id = 'u9'",
                "assignments", "user_id = 'u9'",
                "events", "user_id = 'u9' AND timestamp > now() - INTERVAL 10 DAY")
            .entrySet()) {
      String table = lost.getKey();
      boolean isFact = table.equals("assignments") || table.equals("events");
      String inWarehouse = isFact ? table + "_processed" : table;
      addresses
          .clickHouse()
          .query(
              "ALTER TABLE %s DELETE WHERE %s SETTINGS mutations_sync = 2"
                  .formatted(inWarehouse, lost.getValue()));
      assertThat(resync.run(table, null)).as(table).isTrue();
      running.awaitVisible();
      assertThat(
              addresses
                  .clickHouse()
                  .count(
                      "SELECT count() FROM %s FINAL WHERE %s"
                          .formatted(inWarehouse, lost.getValue())))
          .as(table)
          .isOne();
    }
    assertThat(running.audit().differences()).isEmpty();
  }

  private List<String> repairs() throws IOException {
    try (var files = Files.newDirectoryStream(folder, "*.tsv")) {
      return Files.readAllLines(files.iterator().next()).stream()
          .skip(1)
          .filter(line -> !line.startsWith("experiment_"))
          .map(line -> line.replaceFirst("\\(1,'(u\\d+)',.*(...)'\\)", "$2 of $1"))
          .toList();
    }
  }
}
