package io.experimentetl.audit;

import io.experimentetl.audit.VerdictFindings.Identity;
import io.experimentetl.audit.VerdictFindings.Recorded;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.warehouse.FindingEncoder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes the audit's verdict to {@code data_inconsistencies}. The new rows depend only on the
 * existing ones, so a write with an unknown outcome can be repeated.
 */
public final class VerdictRecord implements AutoCloseable {
  private final Deadline deadline;
  private final Warehouse warehouse;

  public VerdictRecord(AuditSettings settings) {
    this.deadline = new Deadline(settings.deadline(), line -> {});
    this.warehouse = new Warehouse(settings, deadline);
  }

  /**
   * Writes the verdict to etl_audits, and the changes since the last record to
   * data_inconsistencies.
   *
   * @return one line per written finding
   * @throws CannotCompareException if the write's outcome is unknown
   */
  public List<String> write(AuditReport report) {
    List<Finding> changes =
        VerdictFindings.changes(
            report.differences(), report.undecided(), recorded(), report.verdictMarker());
    if (!changes.isEmpty()) {
      insert(changes);
    }
    warehouse.insert("etl_audits", auditRow(report));
    return changes.stream()
        .map(
            finding ->
                String.join(
                    " ",
                    finding.code().code(),
                    finding.subject().toString(),
                    finding.open() ? "OPEN:" : "RESOLVED:",
                    finding.detail()))
        .toList();
  }

  private static String auditRow(AuditReport report) {
    return "INSERT INTO etl_audits (audited_at, verdict, lsn, differences, undecided, took_seconds)"
        + " SELECT now64(3, 'UTC'), '%s', %d, %d, %d, %s"
            .formatted(
                report.isEqual() ? "EQUAL" : "DIFFERENT",
                report.sourceLsn(),
                report.differences().size(),
                report.undecided().size(),
                Double.toString(report.took().toMillis() / 1000.0));
  }

  private Map<Identity, Recorded> recorded() {
    Map<Identity, Recorded> recorded = new HashMap<>();
    warehouse.read(
        "SELECT code, subject_kind, subject_key, argMax(status, _version) = 'OPEN', argMax(detail, _version), max(_version)"
            + " FROM data_inconsistencies WHERE code IN ('X-COUNT-MISMATCH', 'X-CHECKSUM-MISMATCH', 'X-AGG-MISMATCH') GROUP BY code, subject_kind, subject_key",
        row ->
            recorded.put(
                new Identity(
                    FindingCode.ofCode(row.getString(1)),
                    new Subject(SubjectKind.ofText(row.getString(2)), row.getString(3))),
                new Recorded(row.getInt(4) == 1, row.getString(5), row.getLong(6))));
    return recorded;
  }

  private void insert(List<Finding> findings) {
    // Named by its content: two simultaneous records of one verdict become one block.
    warehouse.insert(new FindingEncoder(), findings, "audit-");
  }

  @Override
  public void close() {
    warehouse.close();
    deadline.close();
  }
}
