package io.experimentetl.cdc;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Cut;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.ExperimentChecks;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.ChainingStrategy;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code route}: sends each change where its table belongs. Changes of users, assignments and
 * events go to the main output, to be keyed by user; dimensions go to their side outputs, each
 * behind the cuts; rows that can't be read become findings. The commit time of the stream's changes
 * is the watermark: the snapshot, whose rows come in any order, does not move it.
 */
public final class RouteOperator extends AbstractStreamOperator<Change>
    implements OneInputStreamOperator<Either<Cut, Change>, Change> {

  private static final long serialVersionUID = 1L;

  /** Experiments and variants, for all subtasks of the join. */
  public static final OutputTag<Either<Cut, Change>> DIMENSIONS = tag("dimensions");

  public static final OutputTag<Either<Cut, Change>> EXPERIMENTS = tag("experiments");
  public static final OutputTag<Either<Cut, Change>> VARIANTS = tag("variants");
  public static final OutputTag<Either<Cut, Change>> USERS = tag("users");

  /** Rows of the outbox. */
  public static final OutputTag<Change> OUTBOX = new OutputTag<>("outbox", ChangeTypeInfo.INSTANCE);

  /** Rows that can't be read, and experiments in a status that nobody knows. */
  public static final OutputTag<Either<Cut, Finding>> FINDINGS =
      new OutputTag<>("route-findings", TypeInformation.of(new TypeHint<>() {}));

  private static final List<OutputTag<Either<Cut, Change>>> WITH_CUTS =
      List.of(DIMENSIONS, EXPERIMENTS, VARIANTS, USERS);

  private static final long WATERMARK_STEP_MILLIS = 200;

  private transient Map<FindingCode, Counter> findings;
  private transient Counter outboxRows;
  private transient long watermark;

  public RouteOperator() {
    setChainingStrategy(ChainingStrategy.ALWAYS);
  }

  private static OutputTag<Either<Cut, Change>> tag(String name) {
    return new OutputTag<>(name, PostgresChanges.TYPE);
  }

  @Override
  public void open() throws Exception {
    super.open();
    watermark = Long.MIN_VALUE;
    outboxRows = getMetricGroup().counter("outboxRows");
    findings = new EnumMap<>(FindingCode.class);
    for (FindingCode code :
        new FindingCode[] {
          FindingCode.S_UNPARSEABLE, FindingCode.S_NULL_REQUIRED, FindingCode.S_UNKNOWN_ENUM
        }) {
      findings.put(code, getMetricGroup().addGroup("code", code.code()).counter("findings"));
    }
  }

  @Override
  public void processElement(StreamRecord<Either<Cut, Change>> record) {
    if (record.getValue().isLeft()) {
      for (OutputTag<Either<Cut, Change>> dimension : WITH_CUTS) {
        output.collect(dimension, record);
      }
      return;
    }
    Change change = record.getValue().right();
    UnreadableRow unreadable = unreadable(change);
    if (unreadable != null) {
      report(
          change,
          unreadable.code(),
          unreadable.key(),
          0,
          "column " + unreadable.column() + ": " + unreadable.reason());
    } else if (change.kind() == ChangeKind.UPDATE && changesKey(change)) {
      send(
          new Change(
              change.table(),
              ChangeKind.KEY_CHANGE,
              change.stamp(),
              change.position(),
              change.before(),
              null));
      send(
          new Change(
              change.table(),
              ChangeKind.INSERT,
              change.stamp(),
              change.position(),
              null,
              change.after()));
    } else {
      send(change);
    }
    advance(change);
  }

  private void send(Change change) {
    switch (change.table()) {
      case EXPERIMENTS -> {
        checkStatus(change);
        output.collect(DIMENSIONS, new StreamRecord<>(Either.Right(change)));
        output.collect(EXPERIMENTS, new StreamRecord<>(Either.Right(change)));
      }
      case VARIANTS -> {
        output.collect(DIMENSIONS, new StreamRecord<>(Either.Right(change)));
        output.collect(VARIANTS, new StreamRecord<>(Either.Right(change)));
      }
      case USERS -> {
        output.collect(USERS, new StreamRecord<>(Either.Right(change)));
        output.collect(new StreamRecord<>(change));
      }
      case ASSIGNMENTS, EVENTS -> output.collect(new StreamRecord<>(change));
      case OUTBOX_EVENTS -> {
        outboxRows.inc();
        output.collect(OUTBOX, new StreamRecord<>(change));
      }
      case ETL_HEARTBEAT -> {
        // It has moved the cut and the watermark; there is nothing to tell anybody.
      }
    }
  }

  /**
   * The row that can't be read, or null. A deleted row is read from its image before, all others
   * from their image after.
   */
  private static UnreadableRow unreadable(Change change) {
    SourceRow row = change.after() == null ? change.before() : change.after();
    if (row instanceof UnreadableRow unreadable) {
      return unreadable;
    }
    String column = WarehouseRange.columnOutside(row);
    return column == null
        ? null
        : new UnreadableRow(
            change.table(),
            keyOf(row),
            FindingCode.S_UNPARSEABLE,
            column,
            "the time lies outside of 1900 to 2299");
  }

  private static String keyOf(SourceRow row) {
    if (row instanceof EventRow event) {
      return event.id() + "@" + event.occurredAt();
    }
    if (row instanceof AssignmentRow assignment) {
      return String.valueOf(assignment.id());
    }
    if (row instanceof UserRow user) {
      return user.userId();
    }
    return row instanceof ExperimentRow experiment
        ? String.valueOf(experiment.id())
        : String.valueOf(((VariantRow) row).id());
  }

  private void checkStatus(Change change) {
    if (change.after() instanceof ExperimentRow experiment
        && !ExperimentChecks.hasKnownStatus(experiment)) {
      report(
          change,
          FindingCode.S_UNKNOWN_ENUM,
          String.valueOf(experiment.id()),
          experiment.id(),
          "column status: the product does not know the value");
    }
  }

  private void report(
      Change change, FindingCode code, String key, long experimentId, String detail) {
    findings.get(code).inc();
    output.collect(
        FINDINGS,
        new StreamRecord<>(
            Either.Right(
                new Finding(
                    code,
                    change.table().noun() + ":" + key,
                    true,
                    experimentId,
                    null,
                    null,
                    detail,
                    change.position().committedAt(),
                    change.position().lsn(),
                    RowVersion.ofStamp(change.stamp())))));
  }

  private static boolean changesKey(Change change) {
    SourceRow before = change.before();
    SourceRow after = change.after();
    if (before instanceof EventRow b && after instanceof EventRow a) {
      return b.occurredAt() != a.occurredAt()
          || b.experimentId() != a.experimentId()
          || !b.id().equals(a.id())
          || !b.userId().equals(a.userId());
    }
    if (before instanceof AssignmentRow b && after instanceof AssignmentRow a) {
      return b.id() != a.id()
          || b.experimentId() != a.experimentId()
          || !b.userId().equals(a.userId());
    }
    if (before instanceof UserRow b && after instanceof UserRow a) {
      return !b.userId().equals(a.userId());
    }
    if (before instanceof ExperimentRow b && after instanceof ExperimentRow a) {
      return b.id() != a.id();
    }
    return before instanceof VariantRow b && after instanceof VariantRow a && b.id() != a.id();
  }

  private void advance(Change change) {
    if (change.position().lsn() == 0) {
      return;
    }
    long complete = change.position().committedAt() / 1000 - 1;
    if (complete >= watermark + WATERMARK_STEP_MILLIS || watermark == Long.MIN_VALUE) {
      watermark = complete;
      output.emitWatermark(new Watermark(complete));
    }
  }

  /** The source sets none that mean anything here. */
  @Override
  public void processWatermark(Watermark mark) {}

  /** The key of the main output's changes. */
  public static String userOf(Change change) {
    SourceRow row = change.after() == null ? change.before() : change.after();
    if (row instanceof EventRow event) {
      return event.userId();
    }
    return row instanceof AssignmentRow assignment ? assignment.userId() : ((UserRow) row).userId();
  }
}
