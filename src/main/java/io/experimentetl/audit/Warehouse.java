package io.experimentetl.audit;

import io.experimentetl.clickhouse.BlockWriter;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReadException.Reason;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.replicate.WarehouseShape;
import io.experimentetl.warehouse.ReadFailure;
import java.io.IOException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Stream;

/** ClickHouse's side of the audit. */
final class Warehouse implements AutoCloseable {
  /** Queries may outlast the deadline: the waiting caller reports the missing state better. */
  private static final Duration GRACE = Duration.ofSeconds(10);

  /** {@link Deadline} ends a query that does not move. */
  private static final Duration NO_LIMIT = Duration.ofDays(30);

  /** What the audit's queries are called in {@code system.processes}. */
  private final String name = "experiment-etl verify " + UUID.randomUUID();

  /** How much of the source ClickHouse shows, from {@code etl_progress}. */
  record Progress(long sequenceNumber, long lsn, Instant committedAt, boolean snapshotDone) {
    /** The greatest {@code _version} of the rows up to this progress marker. */
    long versionBound() {
      return versionBoundOf(sequenceNumber);
    }
  }

  private final ClickHouseConnection server;
  private final ClickHouseReader reader;
  private final ClickHouseReader observer;
  private final Deadline deadline;
  private final RetentionConfig.Warehouse retention;
  private final ArchivedMonths archived;

  Warehouse(AuditSettings settings, Deadline deadline) {
    this.server = settings.clickhouse();
    this.deadline = deadline;
    this.retention = settings.warehouse();
    this.archived = new ArchivedMonths(settings.archive());
    this.reader = new ClickHouseReader(server, settings(name));
    this.observer = new ClickHouseReader(server);
  }

  /**
   * The audit's SQL means the same whatever the user's profile says. All versions of a row are in
   * one partition.
   */
  private static Map<String, String> settings(String name) {
    return Map.of(
        "log_comment",
        name,
        "do_not_merge_across_partitions_select_final",
        "1",
        "join_use_nulls",
        "0",
        "join_default_strictness",
        "ALL",
        "transform_null_in",
        "0",
        "aggregate_functions_null_for_empty",
        "0",
        "prefer_column_name_to_alias",
        "0",
        "asterisk_include_alias_columns",
        "0");
  }

  /** The greatest {@code _version} of a change with this sequence number, or this LSN. */
  static long versionBoundOf(long sequenceNumber) {
    return sequenceNumber * 1024 + 1023;
  }

  /** Empty: no progress marker is visible yet. An answer is no sign of progress by itself. */
  Optional<Progress> progress() {
    try {
      return reader
          .list(
              "SELECT sequence_number, lsn, toUnixTimestamp64Micro(committed_at) AS micros, snapshot_done FROM etl_progress",
              Map.of(),
              deadline.left().plus(GRACE),
              row ->
                  new Progress(
                      row.getLong(1),
                      row.getLong(2),
                      Instant.ofEpochSecond(
                          Math.floorDiv(row.getLong(3), 1_000_000),
                          Math.floorMod(row.getLong(3), 1_000_000) * 1000L),
                      row.getBoolean(4)))
          .stream()
          .findFirst();
    } catch (ClickHouseReadException e) {
      throw e.reason() == Reason.TIMED_OUT ? unmoved(e) : failed(e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /**
   * A replicated table as ClickHouse's catalogue describes it.
   *
   * @throws CannotCompareException if there is none
   */
  WarehouseShape shapeOf(ReplicatedTable table) {
    try {
      return WarehouseShape.read(observer, table.name(), deadline.left().plus(GRACE))
          .orElseThrow(
              () ->
                  new CannotCompareException(
                      "ClickHouse has no table %s: apply what map --clickhouse prints."
                          .formatted(table.name())));
    } catch (ClickHouseReadException e) {
      throw e.reason() == Reason.TIMED_OUT ? unmoved(e) : failed(e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /** How long ClickHouse keeps rows of the table of facts for certain: a day less than its TTL. */
  Duration retention(String table) {
    return (table.equals(AuditedTable.EVENTS.warehouseTable())
            ? retention.events()
            : retention.assignments())
        .minusDays(1);
  }

  /** The months that are archived. */
  ArchivedMonths archived() {
    return archived;
  }

  /**
   * The time before which rows of the table may be gone: by its TTL, or because they were archived.
   * Empty: none may be, since a warehouse of old data may have no TTL.
   *
   * @param now when the source was read
   */
  Optional<Instant> expiredBefore(String table, Instant now) {
    return Stream.concat(
            hasTtl(table) ? Stream.of(now.minus(retention(table))) : Stream.empty(),
            archived.end(table).stream())
        .max(Comparator.naturalOrder());
  }

  /**
   * The experiments of which rows of the table may be gone, as {@link #expiredBefore} says: their
   * statistics, which outlive the rows, begin before.
   *
   * @param now when the source was read
   */
  Set<Long> expiredExperiments(AuditedTable table, Instant now) {
    Set<Long> expired = new TreeSet<>();
    expiredBefore(table.warehouseTable(), now)
        .ifPresent(
            before ->
                read(
                    "SELECT DISTINCT experiment_id FROM experiment_daily_stats FINAL WHERE day < toDate32('"
                        + LocalDate.ofInstant(before, ZoneOffset.UTC)
                        + "')",
                    row -> expired.add(row.getLong(1))));
    return expired;
  }

  /** Whether rows of the table may be gone, as {@link #expiredBefore} says. */
  boolean mayExpire(String table) {
    return hasTtl(table) || archived.end(table).isPresent();
  }

  /** Whether the table has a TTL. */
  boolean hasTtl(String table) {
    return count(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = '"
                + table
                + "' AND engine_full LIKE '% TTL %'")
        > 0;
  }

  /** The single number that the query returns. */
  long count(String sql) {
    return list(sql, row -> row.getLong(1)).get(0);
  }

  <T> List<T> list(String sql, ClickHouseReader.RowMapper<T> mapper) {
    List<T> list = new ArrayList<>();
    read(sql, row -> list.add(mapper.map(row)));
    return list;
  }

  /**
   * Passes the rows of the result to the consumer.
   *
   * @throws CannotCompareException if the query fails
   */
  void read(String sql, ClickHouseReader.RowConsumer row) {
    Thread caller = Thread.currentThread();
    long[] work = new long[1];
    Deadline.Watch watch = deadline.watch(() -> hasWorkedSince(work), caller::interrupt);
    try (watch) {
      reader.read(
          sql,
          Map.of(),
          NO_LIMIT,
          found -> {
            deadline.moved();
            row.accept(found);
          });
    } catch (ClickHouseReadException e) {
      throw failed(e);
    } catch (InterruptedException e) {
      throw watch.isStopped() ? unmoved(e) : interrupted(e);
    } finally {
      if (watch.isStopped() && Thread.interrupted()) {
        // The query ended by itself just then.
        deadline.moved();
      }
    }
  }

  /** Whether the running query has used the processor since the last call. */
  private boolean hasWorkedSince(long[] work) throws ClickHouseReadException, InterruptedException {
    long now =
        observer
            .list(
                "SELECT toInt64(sum(read_rows + ProfileEvents['OSCPUVirtualTimeMicroseconds'])) FROM system.processes"
                    + " WHERE Settings['log_comment'] = {name:String}",
                Map.of("name", name),
                deadline.length(),
                row -> row.getLong(1))
            .get(0);
    boolean worked = now != work[0];
    work[0] = now;
    return worked;
  }

  private CannotCompareException failed(ClickHouseReadException e) {
    return new CannotCompareException(ReadFailure.describe(server, e), e);
  }

  private CannotCompareException unmoved(Exception e) {
    return new CannotCompareException(
        "ClickHouse at "
            + server.url()
            + " has not moved for "
            + deadline.length().toSeconds()
            + " s: see what it is busy with (SELECT * FROM system.processes), or raise --deadline.",
        e);
  }

  private static CannotCompareException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new CannotCompareException("Interrupted while ClickHouse was read: run it again.", e);
  }

  /** The numbers of an {@code Array} column. */
  static List<Long> longs(ResultSet row, String column) throws SQLException {
    List<Long> numbers = new ArrayList<>();
    for (Object number : (Object[]) row.getArray(column).getArray()) {
      numbers.add(((Number) number).longValue());
    }
    return numbers;
  }

  /** The numbers in an array. */
  static List<Double> doubles(ResultSet row, String column) throws SQLException {
    List<Double> numbers = new ArrayList<>();
    for (Object number : (Object[]) row.getArray(column).getArray()) {
      numbers.add(((Number) number).doubleValue());
    }
    return numbers;
  }

  /**
   * Writes rows as one block, as the job's sink does: a block that is already there is not written
   * again.
   *
   * @param prefix of the block's {@code _batch_id}
   * @throws CannotCompareException if the write's outcome is unknown
   */
  <T> void insert(RowEncoder<T> encoder, List<T> rows, String prefix) {
    try (BlockWriter writer = new BlockWriter(server)) {
      writer.write(encoder, rows, prefix, deadline.left().plus(GRACE));
    } catch (IOException e) {
      throw notTaken(encoder.schema().table(), e.getMessage(), e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  /**
   * Runs one INSERT … SELECT. It is sent once.
   *
   * @param table for the message of an error
   * @throws CannotCompareException if the write's outcome is unknown
   */
  void insert(String table, String sql) {
    try {
      reader.execute(sql, deadline.left().plus(GRACE));
    } catch (ClickHouseReadException e) {
      throw notTaken(table, e.detail(), e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private CannotCompareException notTaken(String table, String message, Exception e) {
    return new CannotCompareException(
        "ClickHouse at "
            + server.url()
            + " did not take the verdict: if the user may not write, GRANT INSERT ON "
            + server.database()
            + "."
            + table
            + " TO "
            + server.user()
            + ", or leave out --record. Its message: "
            + message,
        e);
  }

  @Override
  public void close() {
    reader.close();
    observer.close();
  }
}
