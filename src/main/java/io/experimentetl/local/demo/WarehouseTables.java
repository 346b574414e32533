package io.experimentetl.local.demo;

import io.experimentetl.local.PlatformException;
import io.experimentetl.operations.ClickHouseEndpoint;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/** What ClickHouse shows while the job runs. */
public final class WarehouseTables {
  /** All but etl_sink_progress. */
  private static final String HELD_BACK =
      " AND engine = 'ReplacingMergeTree' AND name <> 'etl_sink_progress'";

  private final ClickHouseEndpoint clickHouse;

  WarehouseTables(ClickHouseEndpoint clickHouse) {
    this.clickHouse = clickHouse;
  }

  /**
   * Up to where everything is visible.
   *
   * @param lsn of the source; 0 while only the snapshot is visible
   * @param committedAt commit time of the last visible transaction; 1970 while there is none
   */
  record Progress(long lsn, Instant committedAt, boolean snapshotDone) {}

  /** A physical row that stands twice, or more often, in a table. */
  public record Doubled(String table, long rows, long doubled) {}

  Optional<Progress> progress() {
    List<String[]> rows =
        rows(
            "SELECT ifNull(lsn, 0), ifNull(toUnixTimestamp64Micro(committed_at), 0), snapshot_done FROM etl_progress");
    return rows.stream()
        .findFirst()
        .map(
            row -> {
              long micros = Long.parseLong(row[1]);
              return new Progress(
                  Long.parseLong(row[0]),
                  Instant.ofEpochSecond(micros / 1_000_000, micros % 1_000_000 * 1_000),
                  row[2].equals("true"));
            });
  }

  public long visibleEvents() {
    return clickHouse.count("SELECT count() FROM events_processed");
  }

  /**
   * Waits until everything up to an LSN, and the initial snapshot, is visible.
   *
   * @param jobWorks asked now and then; false ends the waiting
   * @throws PlatformException when the job doesn't work any more, or nothing moves for the patience
   */
  void awaitVisible(long lsn, Duration patience, BooleanSupplier jobWorks) {
    long moved = System.nanoTime();
    long seen = -1;
    while (true) {
      Optional<Progress> progress = Optional.empty();
      long rows = -1;
      try {
        progress = progress();
        rows = visibleEvents();
      } catch (PlatformException e) {
        // ClickHouse may be away for a while: it is killed on purpose. The patience ends that too.
        if (System.nanoTime() - moved > patience.toNanos()) {
          throw e;
        }
      }
      if (progress.isPresent() && progress.get().snapshotDone() && progress.get().lsn() >= lsn) {
        return;
      }
      long now = progress.map(Progress::lsn).orElse(0L) + rows;
      if (now != seen) {
        seen = now;
        moved = System.nanoTime();
      }
      if (!jobWorks.getAsBoolean()) {
        throw new PlatformException("the job ended before all was visible");
      }
      if (System.nanoTime() - moved > patience.toNanos()) {
        throw new PlatformException(
            "nothing became visible for %d s; ClickHouse has %s of LSN %d and %d event rows"
                .formatted(
                    patience.toSeconds(),
                    progress.map(Progress::toString).orElse("nothing"),
                    lsn,
                    rows));
      }
      Pause.of(Duration.ofMillis(500));
    }
  }

  /**
   * For each table, how many physical rows repeat a key and a version, those aside that were
   * written through before their checkpoint. Merges must be off for it to prove much. Of
   * etl_sink_progress nothing is said: an idle job names the same cut at every checkpoint.
   */
  public List<Doubled> doubled() {
    return rows(
            "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase()"
                + HELD_BACK
                + " ORDER BY name")
        .stream()
        .map(
            table -> {
              String[] figures =
                  rows("SELECT count(), countIf(exact) - uniqExactIf((%s, _version), exact) FROM (SELECT *, NOT endsWith(_batch_id, '-through') AS exact FROM `%s`)"
                          .formatted(table[1], table[0]))
                      .get(0);
              return new Doubled(table[0], Long.parseLong(figures[0]), Long.parseLong(figures[1]));
            })
        .toList();
  }

  /**
   * Keeps background merges from tidying up what {@link #doubled} is to see; also across a restart
   * of the server.
   */
  public void keepEveryPart() {
    toEachHeldBack(
        "ALTER TABLE `%s` MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, parts_to_throw_insert = 100000, parts_to_delay_insert = 100000");
  }

  /**
   * Makes up for the merges that {@link #keepEveryPart} held back, once {@link #doubled} has
   * counted.
   */
  public void merge() {
    toEachHeldBack("OPTIMIZE TABLE `%s` FINAL");
  }

  private void toEachHeldBack(String statement) {
    for (String[] table :
        rows("SELECT name FROM system.tables WHERE database = currentDatabase()" + HELD_BACK)) {
      clickHouse.query(statement.formatted(table[0]));
    }
  }

  /** Open findings by code. */
  List<String[]> findings() {
    return rows(
        "SELECT code, any(severity), count() FROM data_inconsistencies FINAL WHERE status = 'OPEN'"
            + " GROUP BY code ORDER BY code");
  }

  /** Whether the initial snapshot is not visible yet, as far as ClickHouse answers. */
  public boolean isInSnapshot() {
    return !progress().map(Progress::snapshotDone).orElse(false);
  }

  public long count(String sql) {
    return clickHouse.count(sql);
  }

  List<String[]> rows(String sql) {
    String text = clickHouse.query(sql);
    if (text.isEmpty()) {
      return List.of();
    }
    return Arrays.stream(text.split("\n", -1))
        .map(line -> line.split("\t", -1))
        .collect(Collectors.toList());
  }
}
