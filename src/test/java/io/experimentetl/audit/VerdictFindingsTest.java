package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.VerdictFindings.Identity;
import io.experimentetl.audit.VerdictFindings.Recorded;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class VerdictFindingsTest {
  private static final Warehouse.Progress CUT =
      new Warehouse.Progress(70, 60, Instant.ofEpochSecond(5), true);
  private static final Identity COUNT =
      new Identity(FindingCode.X_COUNT_MISMATCH, Subject.table("events_processed"));

  @Test
  void tableHasOneFindingPerCodeWithItsFigures() {
    List<Finding> changes =
        VerdictFindings.changes(
            List.of(
                row(Kind.MISSING, "event:a"),
                row(Kind.REPEATED, "event:b"),
                row(Kind.REPEATED, "event:b"),
                row(Kind.DIFFERENT, "event:c"),
                row(Kind.DIFFERENT, "event:d")),
            List.of(),
            Map.of(),
            CUT);

    assertThat(changes)
        .containsExactly(
            finding(
                COUNT,
                true,
                "rows missing: 1; in ClickHouse only: 0; more than once: 1",
                70 * 1024),
            finding(
                new Identity(FindingCode.X_CHECKSUM_MISMATCH, Subject.table("events_processed")),
                true,
                "rows that differ: 2",
                70 * 1024));
  }

  @Test
  void openFindingWithTheSameFiguresIsNotWrittenAgain() {
    String detail = "rows missing: 1; in ClickHouse only: 0; more than once: 0";

    assertThat(
            VerdictFindings.changes(
                List.of(row(Kind.MISSING, "event:b")),
                List.of(),
                Map.of(COUNT, new Recorded(true, detail, 3)),
                CUT))
        .isEmpty();
  }

  @Test
  void resolvedFindingOpensAgain() {
    assertThat(
            VerdictFindings.changes(
                List.of(row(Kind.EXTRA, "event:b")),
                List.of(),
                Map.of(COUNT, new Recorded(false, "", 3)),
                CUT))
        .extracting(Finding::open)
        .containsExactly(true);
  }

  @Test
  void versionIsGreaterThanEarlierVersions() {
    assertThat(
            VerdictFindings.changes(
                List.of(), List.of(), Map.of(COUNT, new Recorded(true, "", 1L << 40)), CUT))
        .containsExactly(finding(COUNT, false, "It was found equal.", (1L << 40) + 1));
  }

  @Test
  void equalTableWithoutOpenFindingWritesNothing() {
    assertThat(
            VerdictFindings.changes(
                List.of(), List.of(), Map.of(COUNT, new Recorded(false, "", 3)), CUT))
        .isEmpty();
  }

  @Test
  void tableWithUndecidableRowsResolvesNoFinding() {
    assertThat(
            VerdictFindings.changes(
                List.of(),
                List.of(row(Kind.DIFFERENT, "event:b")),
                Map.of(COUNT, new Recorded(true, "", 3)),
                CUT))
        .isEmpty();
  }

  private static AuditReport.Difference row(Kind kind, String subject) {
    return new AuditReport.Difference("events", "events_processed", kind, subject, "");
  }

  private static Finding finding(Identity identity, boolean open, String detail, long version) {
    return Finding.of(identity.code(), identity.subject(), open)
        .detail(detail)
        .at(5_000_000, 60, version);
  }
}
