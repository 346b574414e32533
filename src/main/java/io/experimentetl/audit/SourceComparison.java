package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.cdc.DayRange;
import io.experimentetl.cdc.TableComparison;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.postgres.PostgresSession;
import io.experimentetl.postgres.PostgresTls;
import io.experimentetl.warehouse.SourceColumns;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Compares one table for the running job, in the way of the {@link Audit}: a difference counts when
 * two fences show it unchanged.
 */
public final class SourceComparison implements TableComparison {
  private static final long serialVersionUID = 1L;

  private static final int MAX_FENCES = 5;
  private static final Duration DEADLINE = Duration.ofMinutes(10);

  /** Differing rows that a result lists. */
  private static final int MAX_ROWS = 50_000;

  /** Keys in one query. */
  private static final int KEYS_AT_ONCE = 1_000;

  private final JobConfig config;

  /** The comparison of the job's own source with its own warehouse. */
  public SourceComparison(JobConfig config) {
    this.config = config;
  }

  @Override
  public boolean covers(SourceTable table) {
    return (table == SourceTable.REPLICATED || AuditedTable.of(table).isPresent())
        && !config.source().tables().of(table).isEmpty();
  }

  @Override
  public Result compare(SourceTable source, Optional<DayRange> days) throws IOException {
    AuditSettings settings = settings();
    try (Deadline deadline = new Deadline(DEADLINE, line -> {});
        Warehouse warehouse = new Warehouse(settings, deadline);
        Fence fence = new Fence(settings, deadline)) {
      Map<String, Observation> pending = null;
      List<Observation> differences = new ArrayList<>();
      long lsn = 0;
      for (int fences = 1;
          fences <= MAX_FENCES && (pending == null || !pending.isEmpty());
          fences++) {
        try (SourceSnapshot snapshot = SourceSnapshot.take(settings, deadline)) {
          fence.awaitBeyond(snapshot.lsn(), warehouse);
          lsn = snapshot.lsn();
          Map<String, Observation> seen = new LinkedHashMap<>();
          look(settings, source, days, snapshot, warehouse)
              .forEach(observation -> seen.put(observation.identity(), observation));
          pending = confirm(pending, seen, differences);
        }
      }
      return source == SourceTable.REPLICATED
          ? resultOfReplicated(lsn, differences, warehouse)
          : result(AuditedTable.of(source).orElseThrow(), lsn, differences, warehouse);
    } catch (CannotCompareException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** Of replicated tables all rows are compared, whatever the days are. */
  private static Collection<Observation> look(
      AuditSettings settings,
      SourceTable source,
      Optional<DayRange> days,
      SourceSnapshot snapshot,
      Warehouse warehouse) {
    if (source != SourceTable.REPLICATED) {
      AuditedTable table = AuditedTable.of(source).orElseThrow();
      return new RowComparison(settings, table, snapshot, warehouse).compare(days).observations();
    }
    List<Observation> found = new ArrayList<>();
    for (ReplicatedTable table : settings.replicated()) {
      new ReplicatedComparison(settings, table, snapshot, warehouse).compare(found);
    }
    return found;
  }

  /** Moves what both fences show unchanged to the differences, and returns what is left. */
  private static Map<String, Observation> confirm(
      Map<String, Observation> before,
      Map<String, Observation> seen,
      List<Observation> differences) {
    if (before == null) {
      return seen;
    }
    Map<String, Observation> left = new LinkedHashMap<>();
    for (Map.Entry<String, Observation> now : seen.entrySet()) {
      Observation was = before.get(now.getKey());
      if (was == null) {
        continue;
      }
      if (was.weight() == Weight.SUSPECT
          && now.getValue().weight() == Weight.SUSPECT
          && was.evidence().equals(now.getValue().evidence())) {
        differences.add(now.getValue());
      } else {
        left.put(now.getKey(), now.getValue());
      }
    }
    return left;
  }

  private static Result result(
      AuditedTable table, long lsn, List<Observation> differences, Warehouse warehouse) {
    List<DifferingRow> rows = new ArrayList<>();
    List<Observation> listed = listed(differences);
    for (int from = 0; from < listed.size(); from += KEYS_AT_ONCE) {
      List<Observation> portion =
          listed.subList(from, Math.min(listed.size(), from + KEYS_AT_ONCE));
      Set<String> keys =
          portion.stream()
              .map(seen -> keyOf(table, seen))
              .collect(Collectors.toCollection(LinkedHashSet::new));
      Map<String, List<SourceRow>> inWarehouse = read(table, keys, warehouse);
      keys.forEach(
          key -> rows.add(new DifferingRow(key, inWarehouse.getOrDefault(key, List.of()))));
    }
    return result(lsn, differences, rows);
  }

  private static List<Observation> listed(List<Observation> differences) {
    return differences.subList(0, Math.min(MAX_ROWS, differences.size()));
  }

  private static Result result(long lsn, List<Observation> differences, List<DifferingRow> rows) {
    Map<Observation.Kind, Integer> counts = new EnumMap<>(Observation.Kind.class);
    differences.forEach(difference -> counts.merge(difference.kind(), 1, Integer::sum));
    int missing = counts.getOrDefault(Observation.Kind.MISSING, 0);
    int extra = counts.getOrDefault(Observation.Kind.EXTRA, 0);
    return new Result(lsn, missing, extra, differences.size() - missing - extra, rows);
  }

  /** Of the warehouse's rows only the keys are needed. A row that is a dead letter may differ. */
  private static Result resultOfReplicated(
      long lsn, List<Observation> differences, Warehouse warehouse) {
    Set<String> deadLetters = new HashSet<>();
    warehouse.read(
        "SELECT concat(subject_kind, ':', subject_key) FROM data_inconsistencies FINAL WHERE dead_letter_since IS NOT NULL AND status IN ('OPEN', 'DISMISSED') AND subject_kind = '%s'"
            .formatted(SubjectKind.REPLICATED_ROW.text()),
        row -> deadLetters.add(row.getString(1)));
    List<Observation> deliverable =
        differences.stream().filter(row -> !deadLetters.contains(row.subject())).toList();
    List<DifferingRow> rows = new ArrayList<>();
    for (Observation difference : listed(deliverable)) {
      String key = difference.subject().substring(SubjectKind.REPLICATED_ROW.text().length() + 1);
      rows.add(
          new DifferingRow(
              key,
              difference.kind() == Observation.Kind.MISSING
                  ? List.of()
                  : List.of(ReplicatedRow.ofKey(key, KeyText.parts(key).get(0)))));
    }
    return result(lsn, deliverable, rows);
  }

  /** The subject of a row's observation is {@code KIND:KEY}. */
  private static String keyOf(AuditedTable table, Observation observation) {
    return observation.subject().substring(table.subjectKind().text().length() + 1);
  }

  private static Map<String, List<SourceRow>> read(
      AuditedTable table, Collection<String> keys, Warehouse warehouse) {
    Map<String, List<SourceRow>> rows = new HashMap<>();
    warehouse.read(
        "SELECT %s FROM %s FINAL WHERE %s IN (%s)"
            .formatted(
                SourceColumns.select(table.rowColumns()),
                table.warehouseTable(),
                ClickHouseRows.idText(table),
                keys.stream()
                    .map(table::idOf)
                    .map(StatisticsSql::clickhouseText)
                    .collect(Collectors.joining(", "))),
        row -> {
          SourceRow found = SourceColumns.read(row, table.rowColumns());
          String key = table.keyOf(found);
          if (keys.contains(key)) {
            rows.computeIfAbsent(key, none -> new ArrayList<>()).add(found);
          }
        });
    return rows;
  }

  @Override
  public List<Subject> deletesReported(SourceTable table, Set<String> keys) throws IOException {
    Set<String> reported = new LinkedHashSet<>();
    Set<String> stillGone = new HashSet<>();
    try (Deadline deadline = new Deadline(DEADLINE, line -> {});
        Warehouse warehouse = new Warehouse(settings(), deadline)) {
      warehouse.read(
          StatisticsSql.fill("reported-deletes-clickhouse.sql", Map.of()),
          row -> {
            reported.add(row.getString(1));
            String goneFrom = row.getString(2);
            boolean isGone =
                !goneFrom.isEmpty()
                    && !(goneFrom.equals(table.tableName()) && keys.contains(row.getString(3)));
            if (isGone) {
              stillGone.add(row.getString(1));
            }
          });
    } catch (CannotCompareException e) {
      throw new IOException(e.getMessage(), e);
    }
    reported.removeAll(stillGone);
    return reported.stream().map(key -> new Subject(SubjectKind.EXPERIMENT_CHANGE, key)).toList();
  }

  private AuditSettings settings() {
    SourceConfig source = config.source();
    return AuditSettings.of(
        config,
        PostgresTls.inUrl(
            PostgresSession.url(source.host(), source.port(), source.database()), source.tls()),
        source.username(),
        source.password().value(),
        io.experimentetl.warehouse.Warehouse.connection(
            config.clickhouse(), config.clickhouse().database()),
        DEADLINE);
  }
}
