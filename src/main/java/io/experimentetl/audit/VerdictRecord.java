package io.experimentetl.audit;

import io.experimentetl.audit.VerdictFindings.Identity;
import io.experimentetl.audit.VerdictFindings.Standing;
import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.warehouse.FindingEncoder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * The audit's verdict in {@code data_inconsistencies}. What is written depends only on what is
 * there, so a record whose outcome is unknown is made again.
 */
public final class VerdictRecord implements AutoCloseable {
  private static final int INITIAL_CAPACITY = 4 << 10;

  private final Warehouse warehouse;

  public VerdictRecord(AuditSettings settings) {
    this.warehouse = new Warehouse(settings, new Deadline(settings.deadline()));
  }

  /**
   * Writes what has changed since the last record.
   *
   * @return what was written, a line each
   * @throws CannotCompareException when it is not known to be written
   */
  public List<String> write(AuditReport report) {
    List<Finding> changes =
        VerdictFindings.changes(
            report.differences(), report.undecided(), standing(), report.verdictMarker());
    if (!changes.isEmpty()) {
      insert(changes);
    }
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

  private Map<Identity, Standing> standing() {
    Map<Identity, Standing> standing = new HashMap<>();
    warehouse.read(
        "SELECT code, subject_kind, subject_key, argMax(status, _version) = 'OPEN', argMax(detail, _version), max(_version)"
            + " FROM data_inconsistencies WHERE code IN ('X-COUNT-MISMATCH', 'X-CHECKSUM-MISMATCH', 'X-AGG-MISMATCH') GROUP BY code, subject_kind, subject_key",
        row ->
            standing.put(
                new Identity(
                    FindingCode.ofCode(row.getString(1)),
                    new Subject(SubjectKind.ofText(row.getString(2)), row.getString(3))),
                new Standing(row.getInt(4) == 1, row.getString(5), row.getLong(6))));
    return standing;
  }

  private void insert(List<Finding> findings) {
    FindingEncoder encoder = new FindingEncoder();
    // Named by what it holds: two records of one verdict, made at once, are one block.
    RowBinaryWriter unnamed = new RowBinaryWriter(INITIAL_CAPACITY);
    findings.forEach(finding -> encoder.encode(finding, unnamed));
    String id = "audit-" + UUID.nameUUIDFromBytes(unnamed.toByteArray());
    RowBinaryWriter rows = new RowBinaryWriter(INITIAL_CAPACITY);
    for (Finding finding : findings) {
      encoder.encode(finding, rows);
      rows.writeString(id);
    }
    warehouse.insert(encoder.schema(), id, rows.toByteArray());
  }

  @Override
  public void close() {
    warehouse.close();
  }
}
