package io.experimentetl.outbox;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.outbox.OutboxPayload.UnknownShapeException;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code outbox-relay}: keyed by the event that an outbox row names, or by the row if it names no
 * event. It holds the rows until they are acknowledged, sets timers, and routes what {@link
 * OutboxReconciliation} decides: messages to the main output, findings to the side output.
 */
public final class OutboxRelay extends AbstractStreamOperator<OutboxMessage>
    implements OneInputStreamOperator<Change, OutboxMessage>, Triggerable<String, VoidNamespace> {
  private static final long serialVersionUID = 1L;

  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("outbox-findings", TypeInformation.of(new TypeHint<>() {}));

  /** Below the default limits of broker and producer for a record with its key and headers. */
  static final int MAX_BYTES = 900_000;

  private static final ValueStateDescriptor<OutboxState> STATE =
      new ValueStateDescriptor<>("reconciliation", TypeInformation.of(OutboxState.class));
  private static final ListStateDescriptor<Long> STREAM_BEGIN =
      new ListStateDescriptor<>("stream-begin", Types.LONG);

  private static final String EVENT = "event:";
  private static final String ROW = "row:";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final OutboxConfig settings;

  private transient ValueState<OutboxState> state;
  private transient ListState<Long> streamBeginState;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient FindingReporter findings;

  /** The first watermark, which is when the stream began, milliseconds since 1970. */
  private transient long streamBegin;

  public OutboxRelay(OutboxConfig settings) {
    this.settings = settings;
  }

  /** The key of a change. It is a text, whose hash is the same on every JVM. */
  public static String keyOf(Change change) {
    SourceRow row = change.after() == null ? change.before() : change.after();
    if (row instanceof EventRow event) {
      return EVENT + event.id();
    }
    OutboxRow outbox = (OutboxRow) row;
    if (outbox.eventType().equals(OutboxPayload.EVENT_CREATED)) {
      try {
        return EVENT + EventId.of(OutboxPayload.of(outbox).id());
      } catch (UnknownShapeException e) {
        // The row is keyed by its own id, and reported under that key.
      }
    }
    return ROW + outbox.id();
  }

  /** Whether the outbox must have a row for the event of the change. */
  public static boolean needsOutboxRow(Change change, List<String> eventTypes) {
    return change.table() == SourceTable.EVENTS
        && change.kind() != ChangeKind.RETENTION_DELETE
        && (change.after() == null ? change.before() : change.after()) instanceof EventRow event
        && eventTypes.contains(event.eventType());
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    streamBeginState = context.getOperatorStateStore().getUnionListState(STREAM_BEGIN);
    streamBegin = Long.MAX_VALUE;
    for (long restored : streamBeginState.get()) {
      streamBegin = Math.min(streamBegin, restored);
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    streamBeginState.update(List.of(streamBegin));
  }

  @Override
  public void open() throws Exception {
    super.open();
    state = getPartitionedState(STATE);
    timers = getInternalTimerService("decisions", VoidNamespaceSerializer.INSTANCE, this);
    findings =
        new FindingReporter(
            output,
            FINDINGS,
            MetricScope.of(getMetricGroup()),
            EnumSet.of(
                FindingCode.O_EVENT_WITHOUT_OUTBOX,
                FindingCode.O_OUTBOX_WITHOUT_EVENT,
                FindingCode.O_PAYLOAD_MISMATCH,
                FindingCode.O_UNKNOWN_SHAPE,
                FindingCode.O_STUCK));
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    streamBegin = Math.min(streamBegin, mark.getTimestamp());
    super.processWatermark(mark);
  }

  @Override
  public void processElement(StreamRecord<Change> record) throws Exception {
    Change change = record.getValue();
    OutboxReconciliation reconciliation = reconciliation((String) getCurrentKey());
    long committedAt = change.position().committedAt() / 1000;
    boolean ofTheStream = change.position().lsn() != 0 && committedAt >= streamBegin;
    boolean compared = ofTheStream && committedAt - settings.grace().toMillis() >= streamBegin;
    if (change.table() != SourceTable.EVENTS) {
      applyRow(reconciliation, change, compared);
    } else if (ofTheStream) {
      // The snapshot may have very many events, which are not compared and need no state.
      reconciliation.applyEvent(change, compared);
    }
    finish(reconciliation);
  }

  private void applyRow(OutboxReconciliation reconciliation, Change change, boolean compared)
      throws JsonProcessingException {
    OutboxRow row = (OutboxRow) (change.after() == null ? change.before() : change.after());
    try {
      OutboxPayload payload = OutboxPayload.of(row);
      byte[] json = message(row, payload);
      // An acknowledgement changes nothing but processed_at: the row before is not read as well.
      if (change.before() instanceof OutboxRow before
          && !hasMessageOf(before, row)
          && isUnrelayable(before)) {
        resolveUnknownShape(change, row);
      }
      if (reconciliation.applyRow(change, payload, timers.currentProcessingTime(), compared)) {
        output.collect(
            new StreamRecord<>(
                new OutboxMessage(row.id(), row.aggregateType(), row.aggregateId(), json)));
      }
    } catch (UnknownShapeException e) {
      if (change.after() != null && row.processedAt() == null) {
        findings.report(
            Finding.opened(FindingCode.O_UNKNOWN_SHAPE, Subject.outboxEvent(row.id()))
                .detail(e.getMessage())
                .at(change, FindingVersions.of(change)));
      } else if (change.before() instanceof OutboxRow before && isUnrelayable(before)) {
        resolveUnknownShape(change, row);
      }
    }
  }

  private void resolveUnknownShape(Change change, OutboxRow row) {
    findings.report(
        Finding.resolved(FindingCode.O_UNKNOWN_SHAPE, Subject.outboxEvent(row.id()))
            .detail("the row was corrected, skipped or deleted")
            .at(change, FindingVersions.of(change)));
  }

  /** Whether the rows make the same message. */
  private static boolean hasMessageOf(OutboxRow row, OutboxRow other) {
    return row.aggregateType().equals(other.aggregateType())
        && row.aggregateId().equals(other.aggregateId())
        && row.eventType().equals(other.eventType())
        && Objects.equals(row.payload(), other.payload())
        && row.createdAt() == other.createdAt();
  }

  /** Whether O-UNKNOWN-SHAPE is reported of the row. */
  private boolean isUnrelayable(OutboxRow row) throws JsonProcessingException {
    if (row.processedAt() != null) {
      return false;
    }
    try {
      message(row, OutboxPayload.of(row));
      return false;
    } catch (UnknownShapeException e) {
      return true;
    }
  }

  private byte[] message(OutboxRow row, OutboxPayload payload)
      throws UnknownShapeException, JsonProcessingException {
    if (!settings.aggregateTypes().contains(row.aggregateType())) {
      throw new UnknownShapeException(
          "The row's aggregate_type "
              + Finding.quoted(row.aggregateType())
              + " is not listed in outbox.aggregate-types.");
    }
    byte[] json = JSON.writeValueAsBytes(payload.normalised(row));
    if (json.length > MAX_BYTES) {
      throw new UnknownShapeException(
          "The message has " + json.length + " bytes; the limit is " + MAX_BYTES + ".");
    }
    return json;
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    OutboxReconciliation reconciliation = reconciliation(timer.getKey());
    reconciliation.decide(timers.currentWatermark());
    finish(reconciliation);
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("outbox-relay sets no processing-time timers");
  }

  private OutboxReconciliation reconciliation(String key) throws Exception {
    return new OutboxReconciliation(
        settings,
        key.startsWith(EVENT) ? EventId.of(key.substring(EVENT.length())) : null,
        state.value());
  }

  private void finish(OutboxReconciliation reconciliation) throws Exception {
    reconciliation.findings().forEach(findings::report);
    OutboxState kept = reconciliation.toState();
    if (kept == null) {
      state.clear();
      return;
    }
    state.update(kept);
    long next = reconciliation.nextDecision();
    if (next != Long.MAX_VALUE) {
      // Rounded to whole seconds, so that the timers of one second are one timer.
      timers.registerEventTimeTimer(VoidNamespace.INSTANCE, (next / 1000 + 1) * 1000);
    }
  }
}
