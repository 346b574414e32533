package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * Records every change of the source in its state, so that after restarts it contains what an
 * exactly-once sink would contain. Tests can make it fail.
 */
final class Ledger extends AbstractStreamOperator<Void>
    implements OneInputStreamOperator<Either<ProgressMarker, Change>, Void> {
  private static final long serialVersionUID = 1L;

  /** A ledger's content for tests, by name: operators run in the cluster's threads. */
  static final class View {
    /** Of rows. */
    volatile List<Change> changes = List.of();

    /** Of rows, and the ends of transactions. */
    volatile List<Change> all = List.of();

    volatile ProgressMarker lastMarker;
    final AtomicInteger starts = new AtomicInteger();
    final AtomicInteger checkpoints = new AtomicInteger();
    final AtomicBoolean failNow = new AtomicBoolean();
  }

  private static final Map<String, View> VIEWS = new ConcurrentHashMap<>();

  private final String name;
  private transient ListState<Change> state;
  private transient List<Change> changes;
  private transient View view;
  private transient ProgressMarker cut;

  Ledger(String name) {
    this.name = name;
  }

  static View view(String name) {
    return VIEWS.computeIfAbsent(name, n -> new View());
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    TypeInformation<Change> type = ChangeTypeInfo.INSTANCE;
    state =
        context.getOperatorStateStore().getListState(new ListStateDescriptor<>("changes", type));
    changes = new ArrayList<>();
    state.get().forEach(changes::add);
    view = view(name);
    view.starts.incrementAndGet();
  }

  @Override
  public void processElement(StreamRecord<Either<ProgressMarker, Change>> element) {
    if (view.failNow.compareAndSet(true, false)) {
      throw new IllegalStateException("the test wants a restart");
    }
    if (element.getValue().isLeft()) {
      cut = element.getValue().left();
    } else {
      changes.add(element.getValue().right());
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    state.update(changes);
    if (view.all.size() != changes.size()) {
      view.all = List.copyOf(changes);
      view.changes = changes.stream().filter(change -> change.kind() != ChangeKind.COMMIT).toList();
    }
    view.lastMarker = cut;
    view.checkpoints.incrementAndGet();
  }

  static TypeInformation<Void> type() {
    return Types.VOID;
  }
}
