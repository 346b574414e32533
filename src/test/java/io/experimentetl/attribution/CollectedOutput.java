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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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
  public void dailyDifference(DailyKey key, DailySums difference, long dayEndsAt) {
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
