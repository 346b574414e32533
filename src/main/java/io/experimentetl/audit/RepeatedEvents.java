package io.experimentetl.audit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The events that ClickHouse shows more than once, once of them beyond PostgreSQL's retention. If
 * PostgreSQL has the event at all, retention is no reason for the rows that it does not have: they
 * are versions that should be gone. Neither is it for two rows of one time, which PostgreSQL cannot
 * have had.
 */
final class RepeatedEvents {
  private static final int MAX_IDS = 10_000;

  static final RepeatedEvents NONE = new RepeatedEvents();

  private final Set<String> ids = new HashSet<>();
  private final Set<Segment> segments = new HashSet<>();

  private RepeatedEvents() {}

  static RepeatedEvents of(
      AuditSettings settings, SourceSnapshot source, Warehouse warehouse, Retention retention) {
    Map<String, List<Segment>> repeated = new HashMap<>();
    Set<String> ofOneTime = new HashSet<>();
    warehouse.read(
        new ClickHouseRows(AuditedTable.EVENTS, ComparedColumns.declared(AuditedTable.EVENTS))
            .repeatedIds(retention.retainedBefore().getEpochSecond(), MAX_IDS),
        row -> {
          List<Segment> at = new ArrayList<>();
          for (long day : Warehouse.longs(row, "days")) {
            at.add(new Segment((int) day, row.getString(2)));
          }
          repeated.put(row.getString(1), at);
          if (row.getInt(4) != 0) {
            ofOneTime.add(row.getString(1));
          }
        });
    RepeatedEvents found = new RepeatedEvents();
    if (!repeated.isEmpty()) {
      ofOneTime.forEach(id -> found.add(id, repeated));
      source.readRows(
          settings,
          PostgresRows.idsAmong(repeated.keySet()),
          row -> found.add(row.getString(1), repeated));
    }
    return found;
  }

  private void add(String id, Map<String, List<Segment>> repeated) {
    if (ids.add(id)) {
      segments.addAll(repeated.getOrDefault(id, List.of()));
    }
  }

  /** Whether the event of the id is one of them. */
  boolean contains(String id) {
    return ids.contains(id);
  }

  /** Whether a row of one of them is in the segment. */
  boolean concern(Segment segment) {
    return segments.contains(segment);
  }
}
