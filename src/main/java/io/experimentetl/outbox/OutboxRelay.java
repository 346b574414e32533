package io.experimentetl.outbox;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.outbox.OutboxPayload.UnknownShapeException;
import io.experimentetl.quality.FindingReporter;
import java.util.EnumSet;
import java.util.List;
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
 * {@code outbox-relay}: keyed by the event that an outbox row tells of, or by the row where it
 * tells of none. It keeps the rows until their acknowledgement comes back, sets the timers, and
 * routes what {@link OutboxSubject} decides: messages to the main output, findings to the side.
 */
public final class OutboxRelay extends AbstractStreamOperator<OutboxMessage>
    implements OneInputStreamOperator<Change, OutboxMessage>, Triggerable<String, VoidNamespace> {
  private static final long serialVersionUID = 1L;

  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("outbox-findings", TypeInformation.of(new TypeHint<>() {}));

  /** Below the broker's and the producer's usual limit of a record, key and headers included. */
  static final int MOST_BYTES = 900_000;

  private static final ValueStateDescriptor<OutboxState> STATE =
      new ValueStateDescriptor<>("subject", TypeInformation.of(OutboxState.class));
  private static final ListStateDescriptor<Long> BEGIN =
      new ListStateDescriptor<>("begin", Types.LONG);

  private static final String EVENT = "event:";
  private static final String ROW = "outbox_event:";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final OutboxConfig settings;

  private transient ValueState<OutboxState> state;
  private transient ListState<Long> beginState;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient FindingReporter findings;

  /** The first watermark: when the stream began, milliseconds since 1970. */
  private transient long begin;

  public OutboxRelay(OutboxConfig settings) {
    this.settings = settings;
  }

  /** The subject of a change: text hashes alike on every JVM, for ever. */
  public static String subjectOf(Change change) {
    SourceRow row = change.after() == null ? change.before() : change.after();
    if (row instanceof EventRow event) {
      return EVENT + event.id();
    }
    OutboxRow outbox = (OutboxRow) row;
    if (outbox.eventType().equals(OutboxPayload.EVENT_CREATED)) {
      try {
        return EVENT + EventId.of(OutboxPayload.of(outbox).id());
      } catch (UnknownShapeException e) {
        // It is a subject of its own, and reported there.
      }
    }
    return ROW + outbox.id();
  }

  /** Whether a change of an event has to be held against the outbox. */
  public static boolean isHeld(Change change, List<String> eventTypes) {
    return change.table() == SourceTable.EVENTS
        && (change.after() == null ? change.before() : change.after()) instanceof EventRow event
        && eventTypes.contains(event.eventType());
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    beginState = context.getOperatorStateStore().getUnionListState(BEGIN);
    begin = Long.MAX_VALUE;
    for (long restored : beginState.get()) {
      begin = Math.min(begin, restored);
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    beginState.update(List.of(begin));
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
            getMetricGroup(),
            EnumSet.of(
                FindingCode.O_EVENT_WITHOUT_OUTBOX,
                FindingCode.O_OUTBOX_WITHOUT_EVENT,
                FindingCode.O_PAYLOAD_MISMATCH,
                FindingCode.O_UNKNOWN_SHAPE,
                FindingCode.O_STUCK));
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    begin = Math.min(begin, mark.getTimestamp());
    super.processWatermark(mark);
  }

  @Override
  public void processElement(StreamRecord<Change> record) throws Exception {
    Change change = record.getValue();
    OutboxSubject subject = subject((String) getCurrentKey());
    boolean judged =
        change.position().lsn() != 0
            && change.position().committedAt() / 1000 - settings.grace().toMillis() >= begin;
    if (change.table() != SourceTable.EVENTS) {
      takeRow(subject, change, judged);
    } else if (judged) {
      // Of the snapshot's events there may be very many, and nothing is held against them.
      subject.takeEvent(change);
    }
    finish(subject);
  }

  private void takeRow(OutboxSubject subject, Change change, boolean judged)
      throws JsonProcessingException {
    OutboxRow row = (OutboxRow) (change.after() == null ? change.before() : change.after());
    try {
      OutboxPayload payload = OutboxPayload.of(row);
      if (!settings.aggregateTypes().contains(row.aggregateType())) {
        throw new UnknownShapeException(
            "Its aggregate_type is not listed in outbox.aggregate-types.");
      }
      byte[] json = JSON.writeValueAsBytes(payload.normalised(row));
      if (json.length > MOST_BYTES) {
        throw new UnknownShapeException(
            "It has " + json.length + " bytes, and Kafka is sent " + MOST_BYTES + " at most.");
      }
      if (subject.takeRow(change, payload, timers.currentProcessingTime(), judged)) {
        output.collect(
            new StreamRecord<>(
                new OutboxMessage(row.id(), row.aggregateType(), row.aggregateId(), json)));
      }
    } catch (UnknownShapeException e) {
      if (change.after() != null && row.processedAt() == null) {
        findings.report(
            Finding.opened(FindingCode.O_UNKNOWN_SHAPE, Subject.outboxEvent(row.id()))
                .detail(e.getMessage())
                .at(change, RowVersion.ofSequenceNumber(change.sequenceNumber())));
      }
    }
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    OutboxSubject subject = subject(timer.getKey());
    subject.decide(timers.currentWatermark());
    finish(subject);
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("outbox-relay sets no processing-time timers");
  }

  private OutboxSubject subject(String key) throws Exception {
    return new OutboxSubject(
        settings,
        key.startsWith(EVENT) ? EventId.of(key.substring(EVENT.length())) : null,
        state.value());
  }

  private void finish(OutboxSubject subject) throws Exception {
    subject.findings().forEach(findings::report);
    OutboxState kept = subject.toState();
    if (kept == null) {
      state.clear();
      return;
    }
    state.update(kept);
    long next = subject.nextDecision();
    if (next != Long.MAX_VALUE) {
      // Whole seconds: timers of one second are one timer.
      timers.registerEventTimeTimer(VoidNamespace.INSTANCE, (next / 1000 + 1) * 1000);
    }
  }
}
