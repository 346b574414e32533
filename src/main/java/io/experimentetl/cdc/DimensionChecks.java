package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.ExperimentChecks;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.List;

/** The checks of one row of experiments, variants or users, which need no other row. */
final class DimensionChecks {
  private final FindingReporter findings;

  DimensionChecks(FindingReporter findings) {
    this.findings = findings;
  }

  /** Reports what is wrong with the row, and resolves what was. */
  void check(Change change) {
    checkTimes(change);
    if (change.table() == SourceTable.EXPERIMENTS) {
      checkStatus(change);
      checkZone(change);
    }
  }

  private void checkStatus(Change change) {
    if (change.after() instanceof ExperimentRow experiment
        && !ExperimentChecks.hasKnownStatus(experiment)) {
      findings.report(
          Finding.opened(FindingCode.S_UNKNOWN_ENUM, Subject.experiment(experiment.id()))
              .inExperiment(experiment.id())
              .detail(
                  "column status: the product does not know the value "
                      + Finding.quoted(experiment.status()))
              .at(change, FindingVersions.of(change)));
    } else if (change.before() instanceof ExperimentRow before
        && !ExperimentChecks.hasKnownStatus(before)) {
      findings.report(
          Finding.resolved(FindingCode.S_UNKNOWN_ENUM, Subject.experiment(before.id()))
              .inExperiment(before.id())
              .detail("the status is known, or the row is gone")
              .at(change, FindingVersions.of(change)));
    }
  }

  private void checkTimes(Change change) {
    List<String> columns = columnsAtEnd(change.table(), change.after());
    if (!columns.isEmpty()) {
      findings.report(
          Finding.opened(FindingCode.T_OUT_OF_RANGE, Subject.row(change.table(), change.after()))
              .inExperiment(experimentOf(change.after()))
              .detail("ClickHouse has the nearest time that it can hold of " + columns)
              .at(change, FindingVersions.of(change)));
    } else if (!columnsAtEnd(change.table(), change.before()).isEmpty()) {
      findings.report(
          Finding.resolved(FindingCode.T_OUT_OF_RANGE, Subject.row(change.table(), change.before()))
              .inExperiment(experimentOf(change.before()))
              .detail("the times are inside the range, or the row is gone")
              .at(change, FindingVersions.of(change)));
    }
  }

  private static List<String> columnsAtEnd(SourceTable table, SourceRow row) {
    return row == null || row instanceof UnreadableRow
        ? List.of()
        : WarehouseRange.columnsAtEnd(table, row);
  }

  private static long experimentOf(SourceRow row) {
    if (row instanceof ExperimentRow experiment) {
      return experiment.id();
    }
    return row instanceof VariantRow variant ? variant.experimentId() : 0;
  }

  private void checkZone(Change change) {
    boolean isBad = change.after() instanceof ExperimentRow now && !now.hasReadableZone();
    boolean wasBad = change.before() instanceof ExperimentRow then && !then.hasReadableZone();
    if (isBad || wasBad) {
      long id = experimentOf(isBad ? change.after() : change.before());
      Subject subject = Subject.experiment(id);
      findings.report(
          (isBad
                  ? Finding.opened(FindingCode.S_BAD_CONFIG, subject)
                      .detail(
                          "config: zone is not the name of an IANA zone; the days are those of statistics.zone")
                  : Finding.resolved(FindingCode.S_BAD_CONFIG, subject)
                      .detail("the zone can be read, or the experiment is gone"))
              .inExperiment(id)
              .at(change, FindingVersions.of(change)));
    }
  }
}
