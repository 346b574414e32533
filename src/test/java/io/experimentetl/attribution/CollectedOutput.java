package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.RowVersion;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Everything that was sent, and its result: rows by key and greatest version, sums of differences.
 */
final class CollectedOutput implements AttributionOutput {
  final List<EventProcessed> eventRows = new ArrayList<>();
  final List<AssignmentProcessed> assignmentRows = new ArrayList<>();
  final List<Finding> findings = new ArrayList<>();
  final Map<DailyKey, DailySums> daily = new HashMap<>();
  final Map<HealthKey, HealthCounts> health = new HashMap<>();
  final List<String> truncatedUsers = new ArrayList<>();
  int rehydrated;

  @Override
  public void event(EventProcessed row) {
    eventRows.add(row);
  }

  @Override
  public void assignment(AssignmentProcessed row) {
    assignmentRows.add(row);
  }

  @Override
  public void finding(Finding finding) {
    findings.add(finding);
  }

  @Override
  public void changedRows(ChangedRows rows) {
    findings.add(
        Finding.opened(rows.code(), rows.examples()[0])
            .inExperiment(rows.experimentId())
            .at(rows.committedAt(), rows.firstLsn(), rows.lastSequence()));
  }

  @Override
  public void truncatedUser(TruncatedUser user) {
    truncatedUsers.add(user.row().userId());
  }

  @Override
  public void dailyDifference(String userKey, DailyKey key, DailySums difference, long dayEndsAt) {
    daily.merge(
        key,
        difference,
        (a, b) -> {
          DailySums sum = a.plus(b);
          return sum.isZero() ? null : sum;
        });
  }

  @Override
  public void healthDifference(HealthKey key, HealthCounts difference) {
    health.merge(
        key,
        difference,
        (a, b) -> {
          HealthCounts sum = a.plus(b);
          return sum.isZero() ? null : sum;
        });
  }

  @Override
  public void rehydrated(String userId) {
    rehydrated++;
  }

  /** The rows that ClickHouse shows under FINAL. */
  Map<String, EventProcessed> visibleEvents() {
    Map<String, EventProcessed> newest = new HashMap<>();
    for (EventProcessed row : eventRows) {
      newest.merge(
          row.event().experimentId()
              + "/"
              + row.event().userId()
              + "/"
              + row.event().id()
              + "@"
              + row.event().occurredAt(),
          row,
          (a, b) -> a.version().version() > b.version().version() ? a : b);
    }
    newest.values().removeIf(row -> row.version().deleted());
    return newest;
  }

  /** The assignments that are not deleted, by the greatest version of each. */
  List<AssignmentProcessed> visibleAssignments() {
    Map<List<Object>, AssignmentProcessed> newest = new LinkedHashMap<>();
    for (AssignmentProcessed row : assignmentRows) {
      newest.merge(key(row), row, (a, b) -> a.version().version() > b.version().version() ? a : b);
    }
    newest.values().removeIf(row -> row.version().deleted());
    return List.copyOf(newest.values());
  }

  private static List<Object> key(AssignmentProcessed row) {
    return List.of(row.assignment().userId(), row.assignment().id());
  }

  /**
   * Rows that were sent twice in one version, and rows that were sent although the version before
   * has the same content, is not deleted, and is of another change of the source.
   */
  List<String> rowsSentAgain() {
    List<String> again = new ArrayList<>();
    eventRows.stream()
        .collect(
            Collectors.groupingBy(
                row -> List.of(row.event().userId(), row.event().id(), row.event().occurredAt())))
        .values()
        .forEach(rows -> addAgain(rows, EventProcessed::version, EventProcessed::event, again));
    assignmentRows.stream()
        .collect(Collectors.groupingBy(CollectedOutput::key))
        .values()
        .forEach(
            rows ->
                addAgain(
                    rows,
                    AssignmentProcessed::version,
                    row -> List.of(row.assignment(), row.assignedSequence()),
                    again));
    return again;
  }

  private static <T> void addAgain(
      List<T> rows,
      Function<T, RowVersion> version,
      Function<T, Object> content,
      List<String> again) {
    rows.sort(Comparator.comparingLong(row -> version.apply(row).version()));
    for (int i = 1; i < rows.size(); i++) {
      RowVersion before = version.apply(rows.get(i - 1));
      RowVersion now = version.apply(rows.get(i));
      if (before.version() == now.version()) {
        again.add(content.apply(rows.get(i)) + ": twice in version " + now);
      }
      if (!before.deleted()
          && !now.deleted()
          && before.lsn() != now.lsn()
          && before.deleteReason().equals(now.deleteReason())
          && content.apply(rows.get(i - 1)).equals(content.apply(rows.get(i)))) {
        again.add(content.apply(rows.get(i)) + ": " + before + ", " + now);
      }
    }
  }

  /** Findings that are open, as {@code CODE subject}. */
  List<String> openFindings() {
    Map<String, Boolean> open = new HashMap<>();
    for (Finding finding : findings) {
      open.put(finding.code().code() + " " + finding.subject(), finding.open());
    }
    return open.entrySet().stream()
        .filter(Map.Entry::getValue)
        .map(Map.Entry::getKey)
        .sorted()
        .toList();
  }

  List<FindingCode> openCodes() {
    return openFindings().stream()
        .map(text -> FindingCode.ofCode(text.substring(0, text.indexOf(' '))))
        .toList();
  }
}
