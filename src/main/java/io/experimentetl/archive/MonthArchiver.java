package io.experimentetl.archive;

import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Moves months from ClickHouse to the archive.
 *
 * <ul>
 *   <li>A month waits while it has rows that were committed less than a day before the job's newest
 *       progress marker: the job may still look for their batches.
 *   <li>Rows that reach ClickHouse meanwhile were committed later than those that are moved, so the
 *       removal leaves them. That is why no partition is dropped: it would take them along.
 *   <li>A month that was archived and has new rows is archived again: of each key the greatest
 *       version counts, of equal versions a tombstone, then the warehouse's row. A tombstone takes
 *       the row out.
 *   <li>A row that was copied back has no batch id. It is a copy of the file's row, or of one that
 *       was replaced since, so it is not merged.
 *   <li>The rows are removed last, after the files and the manifest were read back and found equal.
 *       So a run that is stopped is done again from the beginning, and finds the month again.
 * </ul>
 */
public final class MonthArchiver {
  /** ClickHouse compares a file in memory. */
  private static final int ROWS_PER_FILE = 200_000;

  private static final DateTimeFormatter MONTH = DateTimeFormatter.ofPattern("uuuuMM");

  private final Archive archive;
  private final ClickHouseFiles clickHouse;
  private final ArchivedRows archived;
  private final Clock clock;
  private final int rowsPerFile;

  /** An archiver of a warehouse. */
  public MonthArchiver(Archive archive, ClickHouseFiles clickHouse, Clock clock) {
    this(archive, clickHouse, clock, ROWS_PER_FILE);
  }

  MonthArchiver(Archive archive, ClickHouseFiles clickHouse, Clock clock, int rowsPerFile) {
    this.archive = archive;
    this.clickHouse = clickHouse;
    this.archived = new ArchivedRows(archive, clickHouse);
    this.clock = clock;
    this.rowsPerFile = rowsPerFile;
  }

  /**
   * A month of which ClickHouse has rows.
   *
   * @param rows of all versions, tombstones included
   * @param waits whether some were committed within the last day
   */
  public record Due(ArchivedTable table, YearMonth month, long rows, boolean waits) {}

  /**
   * How far ClickHouse is.
   *
   * @param settled an expression: rows committed before it can be moved
   */
  private record Progress(String lsn, String committedAt, String settled) {}

  /**
   * The months that are over the age with all of their days, in order.
   *
   * @throws IOException also if the job has not yet made its initial load visible
   */
  public List<Due> due(ArchivedTable table, Instant olderThan)
      throws IOException, InterruptedException {
    Progress progress = progress();
    YearMonth first = YearMonth.from(olderThan.atZone(ZoneOffset.UTC));
    List<Due> due = new ArrayList<>();
    for (String[] line :
        clickHouse.select(
            "SELECT toYYYYMM(%s) AS month, count(), max(_committed_at) >= %s FROM %s WHERE %s GROUP BY month ORDER BY month"
                .formatted(
                    table.age(),
                    progress.settled(),
                    table.warehouseTable(),
                    table.isBefore(first)))) {
      due.add(
          new Due(
              table,
              YearMonth.parse(line[0], MONTH),
              Long.parseLong(line[1]),
              line[2].equals("1")));
    }
    return due;
  }

  private Progress progress() throws IOException, InterruptedException {
    List<String[]> lines =
        clickHouse.select(
            "SELECT lsn, toString(committed_at), toString(least(committed_at, written_at) - INTERVAL 1 DAY) FROM etl_progress WHERE snapshot_done AND lsn IS NOT NULL");
    if (lines.isEmpty()) {
      throw new IOException(
          "Nothing can be archived before the initial load and a first change behind it are visible in ClickHouse: see status.");
    }
    String[] line = lines.get(0);
    return new Progress(
        line[0],
        line[1].replace(' ', 'T') + "Z",
        "toDateTime64('%s', 6, 'UTC')".formatted(line[2]));
  }

  /** What was moved; {@code removedVersions} of files that were replaced. */
  public record Moved(Manifest manifest, int removedVersions) {}

  /** Moves a month. */
  public Moved archive(Due due) throws IOException, InterruptedException {
    Progress progress = progress();
    Optional<Manifest> before = archive.manifest(due.table(), due.month());
    Manifest next = next(due, progress, before);
    Set<Integer> touched = touched(due, progress, next.buckets());
    List<Manifest.File> files = new ArrayList<>();
    for (int bucket : touched) {
      Manifest.File file = move(due, progress, next, bucket, before);
      if (file != null) {
        files.add(file);
      }
    }
    Manifest written = next.withFiles(touched, files);
    archive.write(written);
    // A restored copy does not have what was merged now.
    clickHouse.select(
        "ALTER TABLE %s DELETE WHERE %s SETTINGS mutations_sync = 2"
            .formatted(due.table().restoredTable(), due.table().isIn(due.month())));
    int removedVersions = archive.removeOthers(written);
    clickHouse.select(
        "ALTER TABLE %s DELETE WHERE %s AND _committed_at < %s SETTINGS mutations_sync = 2"
            .formatted(
                due.table().warehouseTable(), due.table().isIn(due.month()), progress.settled()));
    return new Moved(written, removedVersions);
  }

  private Manifest next(Due due, Progress progress, Optional<Manifest> before)
      throws IOException, InterruptedException {
    String now = clock.instant().toString();
    List<Manifest.Column> columns = columns(due.table());
    if (before.isEmpty()) {
      int buckets = Math.toIntExact(Math.max(1, (due.rows() + rowsPerFile - 1) / rowsPerFile));
      return new Manifest(
          due.table().warehouseTable(),
          due.month().toString(),
          1,
          0,
          progress.lsn(),
          progress.committedAt(),
          now,
          buckets,
          columns,
          List.of(),
          List.of());
    }
    Manifest old = before.get();
    if (!old.columns().equals(columns)) {
      throw new IOException(
          "%s of %s is archived with other columns than the table has now: restore it, and archive it anew."
              .formatted(old.month(), old.table()));
    }
    return new Manifest(
        old.table(),
        old.month(),
        old.revision() + 1,
        old.rows(),
        progress.lsn(),
        progress.committedAt(),
        now,
        old.buckets(),
        columns,
        old.files(),
        old.erasures());
  }

  private List<Manifest.Column> columns(ArchivedTable table)
      throws IOException, InterruptedException {
    return clickHouse
        .select(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = %s ORDER BY position"
                .formatted(ClickHouseReader.literal(table.warehouseTable())))
        .stream()
        .map(line -> new Manifest.Column(line[0], line[1].replace("\\'", "'")))
        .toList();
  }

  /** The buckets of which ClickHouse has rows. */
  private Set<Integer> touched(Due due, Progress progress, int buckets)
      throws IOException, InterruptedException {
    Set<Integer> touched = new HashSet<>();
    for (String[] line :
        clickHouse.select(
            "SELECT DISTINCT %s FROM %s WHERE %s AND _committed_at < %s"
                .formatted(
                    ArchivedTable.bucketOf("user_id", buckets),
                    due.table().warehouseTable(),
                    due.table().isIn(due.month()),
                    progress.settled()))) {
      touched.add(Integer.valueOf(line[0]));
    }
    return touched;
  }

  private Manifest.File move(
      Due due, Progress progress, Manifest next, int bucket, Optional<Manifest> before)
      throws IOException, InterruptedException {
    Optional<Manifest.File> old =
        before.flatMap(
            manifest ->
                manifest.files().stream().filter(file -> file.bucket() == bucket).findFirst());
    String columns = next.columnList();
    String source =
        "SELECT %s, false AS is_archived FROM %s WHERE %s AND %s = %d AND _committed_at < %s"
            .formatted(
                columns,
                due.table().warehouseTable(),
                due.table().isIn(due.month()),
                ArchivedTable.bucketOf("user_id", next.buckets()),
                bucket,
                progress.settled());
    if (before.isPresent()) {
      source += " AND _batch_id != ''";
    }
    if (old.isPresent()) {
      source += " UNION ALL SELECT %s, true AS is_archived FROM file".formatted(columns);
    }
    String newest =
        "SELECT %s FROM (%s) ORDER BY %s, _version DESC, _deleted DESC, is_archived, _batch_id LIMIT 1 BY %s"
            .formatted(columns, source, due.table().key(), due.table().key());
    String sql = "SELECT %s FROM (%s) WHERE NOT _deleted".formatted(columns, newest);
    Path copy = old.isPresent() ? archive.fetch(before.get(), old.get()) : null;
    try {
      return archived.write(next, bucket, new ArchivedRows.Rows(sql, copy));
    } finally {
      if (copy != null) {
        Files.deleteIfExists(copy);
      }
    }
  }
}
