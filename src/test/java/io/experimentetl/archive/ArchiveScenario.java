package io.experimentetl.archive;

import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.config.ArchiveConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A real ClickHouse with two months that are due and a present one, and a folder. */
abstract class ArchiveScenario {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Instant NOW = Instant.parse("2026-11-05T12:00:00Z");
  static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);

  /** January 2024 is beyond, and all but the last days of June are not. */
  private static final Instant OLDER_THAN = Instant.parse("2024-06-28T00:00:00Z");

  @TempDir Path folder;
  ClickHouseEndpoint warehouse;
  ClickHouseFiles files;
  Archive archive;

  @BeforeEach
  void fillTwoMonthsAndAPresentOne() throws IOException {
    warehouse = PLATFORM.newClickHouseDatabase("archive");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), false);
    files = new ClickHouseFiles(warehouse.login().connection(), Duration.ofMinutes(2));
    event("2024-01-01 00:00:00", "anna", 1, 10);
    event("2024-01-31 23:59:59.999999", "berta", 2, 11);
    event("2024-01-15 12:00:00", "çelik x", 3, 12);
    event("2024-03-15 12:00:00", "anna", 4, 13);
    event("2024-06-01 00:00:00", "anna", 5, 14);
    for (int id = 1; id <= 5; id++) {
      assignment(id, "2024-01-0" + id + " 10:00:00", "user" + id, 20 + id);
    }
    marker("2026-11-05 11:00:00");
  }

  @AfterEach
  void close() throws IOException {
    files.close();
    if (archive != null) {
      archive.close();
    }
  }

  void event(String at, String user, int number, int version) {
    event(at, user, number, version, "2026-01-01 00:00:00", false, "");
  }

  void event(
      String at,
      String user,
      int number,
      int version,
      String committed,
      boolean deleted,
      String reason) {
    warehouse.query(
        """
        INSERT INTO events_processed
        SELECT toUUID('00000000-0000-0000-0000-%012d'), if(%2$d %% 2 = 0, NULL, 'id-ä'), '%3$s', 7, '%4$s', NULL, 'purchase',
          if(%2$d %% 2 = 0, toDateTime64('2024-01-01 00:00:00.000001', 6, 'UTC'), NULL), '{"revenue": 1.50, "t": "\\\\u00e4"}', NULL, '', NULL,
          if(%2$d %% 2 = 0, NULL, 'orders'), 'checkout', 'Checkout', '', '', 3, 'b', NULL, toDate32('%3$s'), if(%2$d %% 2 = 0, [], ['E-A', 'E-B']), 99, '%6$s', %5$d, %7$b, '%8$s', 'batch-%2$d'
        """
            .formatted(
                number,
                number,
                at,
                user.replace("\\", "\\\\").replace("'", "\\'"),
                version,
                committed,
                deleted,
                reason));
  }

  void assignment(int id, String at, String user, int version) {
    warehouse.query(
        "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at, assigned_sequence, _committed_at, _version) VALUES (%d, 7, '%s', 3, 'hash', '%s', 5, '2026-01-01 00:00:00', %d)"
            .formatted(id, user, at, version));
  }

  void marker(String at) {
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (7, 4711, '%1$s', true, '%1$s')"
            .formatted(at));
  }

  void erase(String user, int version, String at) {
    warehouse.query(
        "INSERT INTO users (user_id, _committed_at, _version, _deleted, _delete_reason) VALUES ('%s', '%s', %d, true, 'erasure')"
            .formatted(user, at, version));
  }

  void open(ArchiveConfig config) throws IOException {
    archive = new Archive(ArchiveStore.open(config));
    archive.store().check();
  }

  void openFolder() throws IOException {
    open(
        new ArchiveConfig(
            folder.toString(), new ArchiveConfig.S3(null, "x", null, "", null, null)));
  }

  void moveAll() throws IOException, InterruptedException {
    MonthArchiver archiver = new MonthArchiver(archive, files, CLOCK, 2);
    for (ArchivedTable table : ArchivedTable.values()) {
      for (MonthArchiver.Due due : archiver.due(table, OLDER_THAN)) {
        if (!due.waits()) {
          archiver.archive(due);
        }
      }
    }
  }

  void restoreAll() throws IOException, InterruptedException {
    for (Manifest manifest : archive.manifests()) {
      new MonthRestorer(archive, files).restore(manifest);
    }
  }

  String rows(String table, String condition) {
    return warehouse.query(
        "SELECT * FROM %s FINAL WHERE %s ORDER BY ALL FORMAT TSVWithNamesAndTypes"
            .formatted(table, condition));
  }

  String months() throws IOException {
    List<String> months = new ArrayList<>();
    for (Manifest manifest : archive.manifests()) {
      months.add(manifest.table() + " " + manifest.month() + " " + manifest.rows());
    }
    return String.join("\n", months);
  }

  String left() {
    return warehouse.query(
        "SELECT concat(user_id, ' ', toString(timestamp)) FROM events_processed ORDER BY timestamp, user_id");
  }

  String restored() {
    return warehouse.query(
        "SELECT concat(user_id, ' ', toString(_version)) FROM events_archive FINAL ORDER BY timestamp, user_id");
  }
}
