package io.experimentetl.cdc;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * The watch of a source that reads Debezium's topics, behind the step that assigns the sequence
 * numbers. Rows cannot be read again: Debezium has to send them.
 */
final class TopicsWatchOperator extends CatalogueWatch<Either<ProgressMarker, Change>> {
  private static final long serialVersionUID = 1L;

  private transient ListState<Long> lastFindingState;
  private transient FindingReporter findings;
  private transient long lastFinding;
  private transient long sequenceNumber;

  TopicsWatchOperator(WatchSettings settings) {
    super(settings);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    lastFindingState =
        context
            .getOperatorStateStore()
            .getListState(new ListStateDescriptor<>("last-finding", Types.LONG));
    Iterator<Long> restored = lastFindingState.get().iterator();
    lastFinding = restored.hasNext() ? restored.next() : 0;
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    lastFindingState.update(List.of(lastFinding));
  }

  @Override
  public void open() throws Exception {
    findings =
        new FindingReporter(
            output,
            SourceStreams.FINDINGS,
            MetricScope.of(getMetricGroup()),
            EnumSet.of(
                FindingCode.S_NOT_STREAMED,
                FindingCode.C_DELETE_UNEXPECTED,
                FindingCode.C_UNSTREAMED));
    super.open();
  }

  @Override
  SourceWatch.RowSender rowSender() {
    return null;
  }

  /** The reader refuses such changes: the topics do not tell that only a part was sent. */
  @Override
  Map<SourceTable, Long> partlySent() {
    return Map.of();
  }

  /** Messages do not tell a column that the table does not have from one that they leave out. */
  @Override
  Map<StreamGap, Long> gaps() {
    return Map.of();
  }

  @Override
  void remembered(Map<StreamGap, Long> gaps) {}

  @Override
  void settled(Set<SourceTable> tables, Map<SourceTable, Long> noted) {}

  @Override
  void report(Finding finding) {
    lastFinding = FindingVersions.atMarker(lastFinding, sequenceNumber);
    findings.report(finding.withVersion(lastFinding));
  }

  @Override
  public void processElement(StreamRecord<Either<ProgressMarker, Change>> element) {
    Either<ProgressMarker, Change> value = element.getValue();
    sequenceNumber =
        value.isLeft() ? value.left().sequenceNumber() : value.right().sequenceNumber();
    output.collect(element);
  }
}
