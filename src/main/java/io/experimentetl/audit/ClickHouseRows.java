package io.experimentetl.audit;

import io.experimentetl.cdc.DayRange;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.warehouse.RetainedRows;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The statements that read one table's rows from ClickHouse. */
final class ClickHouseRows {
  /** An event's id as PostgreSQL has it. */
  static final String EVENT_ID = "ifNull(source_id, toString(event_id))";

  /** The same for a group of versions of one event: a tombstone may have no source id. */
  private static final String EVENT_ID_OF_GROUP = "ifNull(any(source_id), toString(event_id))";

  /** The hash of a deleted row: greater than every hash. */
  static final long DELETED = 1L << 48;

  private final AuditedTable table;
  private final ComparedColumns columns;
  private final String sortingKey;

  ClickHouseRows(AuditedTable table, ComparedColumns columns) {
    this.table = table;
    this.columns = columns;
    this.sortingKey = String.join(", ", table.sortingKey());
  }

  /**
   * Row count and sum of hashes per day and bucket as of an LSN: {@code day, bucket, count, sum}.
   *
   * <p>A row version belongs to the LSN of the row's own change; a correction of joined columns has
   * a later version and the same LSN. Replaced versions are found until they are merged away. A row
   * without any remaining version makes its segment differ and is then compared by itself.
   *
   * @param days only rows of these days; empty: all rows
   */
  String segments(long lsn, Optional<DayRange> days) {
    return """
        SELECT %1$s AS day_, %2$s AS bucket_, count(), toString(sum(toUInt128(%3$s)))
        FROM
        (
          SELECT * FROM %4$s WHERE _lsn <= %5$d AND NOT %9$s
          UNION ALL
          SELECT * FROM (SELECT * FROM %4$s WHERE _lsn <= %5$d AND %9$s ORDER BY %6$s, _version DESC LIMIT 1 BY %6$s)
        )
        WHERE NOT %7$s%8$s
        GROUP BY day_, bucket_"""
        .formatted(
            day(),
            bucket(EVENT_ID),
            hash(),
            table.warehouseTable(),
            lsn,
            sortingKey,
            gone(lsn),
            days.filter(range -> table.hasTime())
                .map(range -> " AND day_ BETWEEN " + range.from() + " AND " + range.to())
                .orElse(""),
            repeats(sortingKey, " WHERE _lsn <= " + lsn));
  }

  /**
   * Whether a row's columns may have the same values in another row. Nearly all rows have a key of
   * their own, which this finds without sorting or grouping whole rows. By a hash: a few other rows
   * are among them, so the statement must also hold for a row that has no other.
   *
   * @param where of the other rows
   */
  private String repeats(String columns, String where) {
    return "cityHash64(%1$s) IN (SELECT cityHash64(%1$s) AS hash_ FROM %2$s%3$s GROUP BY hash_ HAVING count() > 1)"
        .formatted(columns, table.warehouseTable(), where);
  }

  /**
   * The newest version of the rows of these segments, tombstones included: {@code key,
   * experiment_id, micros, hash, lsn, version, deleted, bucket, hash as of the LSN, fact}.
   *
   * <p>A column that the table does not have is 0, or NULL for fact. The last hash is {@link
   * #DELETED} for a deleted row, and NULL when that version is merged away. A key is returned once
   * per sorting key that it has in ClickHouse. If a row can move between days, rows of other days
   * are returned too.
   */
  String rows(List<Segment> segments, long lsn) {
    return """
        SELECT key_, newest.1, newest.2, newest.3, newest.4, newest_version, newest.5, bucket, was, newest.6
        FROM
        (
          SELECT %s AS key_,
            argMax((%s, %s, %s, _lsn, %s, %s), _version) AS newest,
            max(_version) AS newest_version,
            %s AS bucket,
            argMaxOrNullIf(if(%s, toUInt64(%d), %s), _version, _lsn <= %d) AS was
          FROM %s
          WHERE %s
          GROUP BY %s
        )"""
        .formatted(
            key(EVENT_ID_OF_GROUP),
            table.hasTime() ? "experiment_id" : "0",
            table.hasTime() ? "toUnixTimestamp64Micro(" + table.timeColumn() + ")" : "0",
            hash(),
            gone(Long.MAX_VALUE),
            table == AuditedTable.EVENTS ? SourceTable.FACT : "CAST(NULL AS Nullable(String))",
            bucket(EVENT_ID_OF_GROUP),
            gone(lsn),
            DELETED,
            hash(),
            lsn,
            table.warehouseTable(),
            inSegments(segments),
            sortingKey);
  }

  /**
   * Only an event's sorting key contains its day. The newest version of any other row may be on
   * another day than the version that is looked for, so such rows are selected by bucket alone.
   * Tombstones of events whose id may be derived are always selected: a tombstone may have no
   * source id, and its event's bucket depends on that id.
   */
  private String inSegments(List<Segment> segments) {
    return table == AuditedTable.EVENTS
        ? "((%s, %s) IN (%s) OR _deleted = 1 AND substring(toString(event_id), 15, 1) = '5')"
            .formatted(
                day(),
                bucket(EVENT_ID),
                segments.stream()
                    .map(segment -> "(" + segment.day() + ", '" + segment.bucket() + "')")
                    .collect(Collectors.joining(", ")))
        : "%s IN (%s)"
            .formatted(
                bucket(EVENT_ID),
                segments.stream()
                    .map(segment -> "'" + segment.bucket() + "'")
                    .distinct()
                    .collect(Collectors.joining(", ")));
  }

  /** Key and column texts of these rows, newest version. */
  String values(Collection<String> keys) {
    return """
        SELECT %s, %s
        FROM %s FINAL
        WHERE %s IN (%s)"""
        .formatted(
            key(EVENT_ID),
            columns.clickhouseTexts(),
            table.warehouseTable(),
            idText(table),
            keys.stream()
                .map(table::idOf)
                .map(StatisticsSql::clickhouseText)
                .collect(Collectors.joining(", ")));
  }

  /** A row's id as PostgreSQL prints it. */
  static String idText(AuditedTable table) {
    return switch (table) {
      case EVENTS -> EVENT_ID;
      case USERS -> "user_id";
      default -> "toString(id)";
    };
  }

  /**
   * Row versions that exist physically more than once: {@code key, version, copies, day}. An early
   * write, marked in {@code _batch_id}, is not counted: it may exist beside the row of its
   * checkpoint.
   */
  String duplicates(int limit) {
    return """
        SELECT %s, _version, countIf(NOT endsWith(_batch_id, '-early')) AS copies, any(%s)
        FROM %s
        WHERE %s
        GROUP BY %s, _version
        HAVING copies > 1
        ORDER BY 1, 2
        LIMIT %d"""
        .formatted(
            key(EVENT_ID_OF_GROUP),
            day(),
            table.warehouseTable(),
            repeats(sortingKey + ", _version", ""),
            sortingKey,
            limit);
  }

  /**
   * Rows that were loaded more than once: {@code key, day, versions, number of such rows}. A
   * version as the source sent it repeats the one before it in two cases:
   *
   * <ul>
   *   <li>Both are of one change of the stream: they have its LSN. A row that was deleted and
   *       inserted again, or changed back, has the LSN of another change.
   *   <li>One of them was read from the table, so it has no LSN, and both have the same content.
   *       The later one is in a part of level 0: a merge has a level above, and so has an INSERT
   *       that optimises. Every version between the two would then still be there, because only a
   *       merge removes one, together with a later version of its key.
   * </ul>
   *
   * <p>Not returned: corrections, whose revision is not 0, and early writes, which may exist beside
   * the row of their checkpoint.
   */
  String repetitions(int limit) {
    return """
        SELECT key_, day_, repeated AS versions, count() OVER ()
        FROM
        (
          SELECT key_, day_, arraySort(arrayDistinct(arrayConcat(
            arrayMap(v -> v.1, arrayFilter((now, before) -> now.2 = before.2 AND now.1 != before.1,
              arrayPopFront(sent), arrayPopBack(sent))),
            arrayMap(v -> v.1, arrayFilter((now, before) -> now.4 = before.4 AND now.3 = 0 AND before.3 = 0
                AND (now.2 = 0 OR before.2 = 0) AND now.1 != before.1 AND now.1 %% %7$d = 0
                AND now.5 AND NOT now.6 AND NOT before.6,
              arrayPopFront(found), arrayPopBack(found)))))) AS repeated
          FROM
          (
            SELECT any(%1$s) AS key_, any(%2$s) AS day_,
              arraySort(groupArray((_version, _lsn, _deleted, (%3$s, _delete_reason), splitByChar('_', _part)[4] = '0',
                endsWith(_batch_id, '-early')))) AS found,
              arraySort(v -> (v.2, v.1), groupArrayIf((_version, _lsn),
                _deleted = 0 AND NOT endsWith(_batch_id, '-early') AND _lsn != 0 AND _version %% %7$d = 0)) AS sent
            FROM %4$s
            WHERE %8$s
            GROUP BY %5$s
          )
        )
        WHERE notEmpty(repeated)
        ORDER BY key_
        LIMIT %6$d"""
        .formatted(
            key(EVENT_ID),
            day(),
            content(),
            table.warehouseTable(),
            sortingKey,
            limit,
            RowVersion.LAST_REVISION + 1,
            repeats(sortingKey, ""));
  }

  /**
   * A row's content. An assignment that the snapshot read comes again with its place in commit
   * order when the stream shows its insert: that is another content.
   */
  private String content() {
    return table == AuditedTable.ASSIGNMENTS ? "(" + hash() + ", assigned_sequence)" : hash();
  }

  /**
   * Events that have more than one row, one of them before a time: {@code id, bucket, days, whether
   * two rows have one time}.
   *
   * @param before seconds since 1970
   */
  String repeatedIds(long before, int limit) {
    return """
        SELECT any(id_), any(%1$s), groupUniqArray(%2$s) AS days, count() > uniqExact(timestamp)
        FROM
        (
          SELECT event_id, timestamp, argMax(%3$s, _version) AS id_
          FROM %4$s
          WHERE event_id IN (SELECT event_id FROM %4$s GROUP BY event_id HAVING count() > 1 AND min(timestamp) < %5$s)
          GROUP BY %6$s
          HAVING argMax(_deleted, _version) = 0
        )
        GROUP BY event_id
        HAVING count() > 1 AND min(timestamp) < %5$s
        LIMIT %7$d"""
        .formatted(
            bucket("id_"),
            day(),
            EVENT_ID,
            table.warehouseTable(),
            "toDateTime64(%d, 6, 'UTC')".formatted(before),
            sortingKey,
            limit);
  }

  /**
   * Rows that a retention transaction has deleted or truncated in PostgreSQL, although their age
   * does not say so: {@code day, experiment, rows}.
   */
  String keptBeyondSource(Optional<DayRange> days) {
    return """
        SELECT %s AS day_, experiment_id, count()
        FROM %s FINAL
        WHERE %s%s
        GROUP BY day_, experiment_id"""
        .formatted(
            day(),
            table.warehouseTable(),
            kept(Long.MAX_VALUE),
            days.map(range -> " AND day_ BETWEEN " + range.from() + " AND " + range.to())
                .orElse(""));
  }

  private String kept(long asOfLsn) {
    return RetainedRows.isKeptBeyondSource(table.source(), asOfLsn);
  }

  /**
   * The row is not in PostgreSQL: it was deleted, or the warehouse keeps what retention deleted.
   */
  private String gone(long asOfLsn) {
    return "(_deleted = 1 OR " + kept(asOfLsn) + ")";
  }

  /** Experiments with rows on these days. */
  String experimentsOnDays(List<Integer> days) {
    return """
        SELECT DISTINCT experiment_id
        FROM %s FINAL
        WHERE %s IN (%s)"""
        .formatted(
            table.warehouseTable(),
            day(),
            days.stream().map(String::valueOf).collect(Collectors.joining(", ")));
  }

  private String key(String eventId) {
    return switch (table) {
      case EVENTS -> "concat(" + eventId + ", '@', toString(toUnixTimestamp64Micro(timestamp)))";
      case USERS -> "user_id";
      default -> "toString(id)";
    };
  }

  private String day() {
    return table.hasTime()
        ? "toInt32(toDate32(" + table.timeColumn() + ", 'UTC'))"
        : "toInt32(" + AuditedTable.NO_DAY + ")";
  }

  /** The same 256 buckets as {@link PostgresRows}. */
  private String bucket(String eventId) {
    return switch (table) {
      case EVENTS -> "lower(hex(substring(MD5(" + eventId + "), 1, 1)))";
      case USERS -> "lower(hex(substring(MD5(user_id), 1, 1)))";
      default -> "toString(id % 256)";
    };
  }

  private String hash() {
    return columns.all().stream()
        .map(AuditedColumn::clickhouseText)
        .collect(
            Collectors.joining(
                ", char(31), ",
                "reinterpretAsUInt64(reverse(substring(MD5(concat(",
                ")), 1, 6)))"));
  }
}
