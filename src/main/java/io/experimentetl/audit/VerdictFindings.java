package io.experimentetl.audit;

import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.FindingVersions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The audit's verdict as findings. A table with differences has one open finding per code; an open
 * finding whose sides are equal again is resolved. The job itself writes none of these codes.
 */
final class VerdictFindings {
  private static final int MAX_SHOWN = 400;

  /** The identity of a finding in {@code data_inconsistencies}. */
  record Identity(FindingCode code, Subject subject) implements Comparable<Identity> {
    @Override
    public int compareTo(Identity other) {
      int byCode = code.compareTo(other.code);
      return byCode != 0 ? byCode : subject.compareTo(other.subject);
    }
  }

  /**
   * The newest version in {@code data_inconsistencies}.
   *
   * @param version the greatest {@code _version} there
   */
  record Recorded(boolean open, String detail, long version) {}

  private VerdictFindings() {}

  /**
   * The findings to write; empty if nothing has changed.
   *
   * @param undecided undecidable rows and cells: they open no finding, and no finding of their
   *     tables is resolved
   * @param recorded the findings written before
   * @param marker the progress marker up to which ClickHouse was compared
   */
  static List<Finding> changes(
      List<AuditReport.Difference> differences,
      List<AuditReport.Difference> undecided,
      Map<Identity, Recorded> recorded,
      Warehouse.Progress marker) {
    Map<Identity, List<AuditReport.Difference>> found = new TreeMap<>();
    for (AuditReport.Difference difference : differences) {
      found
          .computeIfAbsent(
              new Identity(code(difference.kind()), subject(difference)), none -> new ArrayList<>())
          .add(difference);
    }
    List<Finding> changes = new ArrayList<>();
    found.forEach(
        (identity, of) -> {
          Recorded before = recorded.get(identity);
          String detail = detail(identity.code(), of);
          if (before == null || !before.open() || !before.detail().equals(detail)) {
            changes.add(finding(identity, true, detail, before, marker));
          }
        });
    Set<Subject> unjudged =
        undecided.stream().map(VerdictFindings::subject).collect(Collectors.toSet());
    new TreeMap<>(recorded)
        .forEach(
            (identity, before) -> {
              if (before.open()
                  && !found.containsKey(identity)
                  && !unjudged.contains(identity.subject())) {
                changes.add(finding(identity, false, "It was found equal.", before, marker));
              }
            });
    return changes;
  }

  private static FindingCode code(Observation.Kind kind) {
    return switch (kind) {
      case MISSING, EXTRA, REPEATED -> FindingCode.X_COUNT_MISMATCH;
      case DIFFERENT -> FindingCode.X_CHECKSUM_MISMATCH;
      case FIGURES -> FindingCode.X_AGG_MISMATCH;
    };
  }

  private static Subject subject(AuditReport.Difference difference) {
    return Subject.table(difference.table());
  }

  /** Only figures: an erasure would not find the keys of rows in this text. */
  private static String detail(FindingCode code, List<AuditReport.Difference> differences) {
    Map<Observation.Kind, Set<String>> subjects = new EnumMap<>(Observation.Kind.class);
    for (AuditReport.Difference difference : differences) {
      subjects
          .computeIfAbsent(difference.kind(), none -> new HashSet<>())
          .add(difference.subject());
    }
    Map<Observation.Kind, Integer> count = new EnumMap<>(Observation.Kind.class);
    for (Observation.Kind kind : Observation.Kind.values()) {
      count.put(kind, subjects.getOrDefault(kind, Set.of()).size());
    }
    if (code == FindingCode.X_COUNT_MISMATCH) {
      return "rows missing: "
          + count.get(Observation.Kind.MISSING)
          + "; in ClickHouse only: "
          + count.get(Observation.Kind.EXTRA)
          + "; more than once: "
          + count.get(Observation.Kind.REPEATED);
    }
    if (code == FindingCode.X_CHECKSUM_MISMATCH) {
      return "rows that differ: " + count.get(Observation.Kind.DIFFERENT);
    }
    AuditReport.Difference first = differences.get(0);
    String shown = (first.subject() + " " + first.problem()).replaceAll("\\p{Cntrl}", "?");
    return "rows that differ: "
        + count.get(Observation.Kind.FIGURES)
        + "; the first: "
        + (shown.length() <= MAX_SHOWN ? shown : shown.substring(0, MAX_SHOWN - 1) + "…");
  }

  private static Finding finding(
      Identity identity, boolean open, String detail, Recorded before, Warehouse.Progress marker) {
    return Finding.of(identity.code(), identity.subject(), open)
        .detail(detail)
        .at(
            ChronoUnit.MICROS.between(Instant.EPOCH, marker.committedAt()),
            marker.lsn(),
            FindingVersions.atMarker(
                before == null ? 0 : before.version(), marker.sequenceNumber()));
  }
}
