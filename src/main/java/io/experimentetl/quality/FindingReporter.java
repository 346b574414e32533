package io.experimentetl.quality;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * Reports an operator's findings: sends them to its side output and counts them by code in the
 * metric {@code code_findings_total}. Each operator has its own.
 */
public final class FindingReporter {
  /**
   * Codes whose subject is shared by many rows. Each of these rows reports the finding again, so
   * the reporter sends it once per checkpoint.
   */
  private static final Set<FindingCode> ABOUT_MANY_ROWS =
      EnumSet.of(
          FindingCode.T_LATE,
          FindingCode.S_UNKNOWN_EVENT_TYPE,
          FindingCode.R_ORPHAN_EXPERIMENT,
          FindingCode.R_ORPHAN_VARIANT,
          FindingCode.C_DELETE_RETENTION);

  private record Reported(FindingCode code, Subject subject, boolean open) {}

  private final Output<?> output;
  private final OutputTag<Either<ProgressMarker, Finding>> tag;
  private final Map<FindingCode, Counter> counters = new EnumMap<>(FindingCode.class);
  private final Set<Reported> sinceCheckpoint = new HashSet<>();

  /**
   * The reporter of one subtask.
   *
   * @param tag the side output of the operator's findings
   * @param metrics the operator's {@link io.experimentetl.clickhouse.MetricScope}
   * @param codes what the operator can report; each has a counter from the start
   */
  public FindingReporter(
      Output<?> output,
      OutputTag<Either<ProgressMarker, Finding>> tag,
      MetricGroup metrics,
      Set<FindingCode> codes) {
    this.output = output;
    this.tag = tag;
    for (FindingCode code : codes) {
      counters.put(code, metrics.addGroup("code", code.code()).counter("findings_total"));
    }
  }

  /** Sends the finding on, unless it was reported since the last checkpoint and needs no repeat. */
  public void report(Finding finding) {
    if (ABOUT_MANY_ROWS.contains(finding.code())) {
      if (!sinceCheckpoint.add(new Reported(finding.code(), finding.subject(), finding.open()))) {
        return;
      }
      sinceCheckpoint.remove(new Reported(finding.code(), finding.subject(), !finding.open()));
    }
    counters.get(finding.code()).inc();
    output.collect(tag, new StreamRecord<>(Either.Right(finding)));
  }

  /** Call before each barrier: after it, findings are reported again. */
  public void beforeCheckpoint() {
    sinceCheckpoint.clear();
  }

  /** Sends a progress marker after the findings. */
  public void progress(ProgressMarker marker) {
    output.collect(tag, new StreamRecord<>(Either.Left(marker)));
  }
}
