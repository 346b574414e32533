package io.experimentetl.attribution;

import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.State;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.runtime.state.internal.InternalKvState;

/**
 * The keyed state of users. Changes, events and figures have the experiment as their namespace, so
 * that those of one experiment are read without the others.
 */
final class UserStates {
  static final ValueStateDescriptor<UserState> USERS =
      new ValueStateDescriptor<>("user", TypeInformation.of(UserState.class));
  static final MapStateDescriptor<Integer, UndecidedChange> UNDECIDED =
      new MapStateDescriptor<>(
          "undecided-changes", Types.INT, TypeInformation.of(UndecidedChange.class));

  private static final MapStateDescriptor<Long, ExperimentState> EXPERIMENTS =
      new MapStateDescriptor<>(
          "user-experiments", Types.LONG, TypeInformation.of(ExperimentState.class));
  private static final ListStateDescriptor<byte[]> CHANGES =
      new ListStateDescriptor<>(
          "user-experiment-changes", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  private static final MapStateDescriptor<Tuple2<Long, Long>, byte[]> EVENTS =
      new MapStateDescriptor<>(
          "user-events",
          Types.TUPLE(Types.LONG, Types.LONG),
          PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  private static final MapStateDescriptor<Tuple3<String, Long, Integer>, byte[]> FIGURES =
      new MapStateDescriptor<>(
          "user-figures",
          Types.TUPLE(Types.STRING, Types.LONG, Types.INT),
          PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  private static final MapStateDescriptor<String, PendingEvent> SPILLED =
      new MapStateDescriptor<>(
          "spilled-events", Types.STRING, TypeInformation.of(PendingEvent.class));

  private final ValueState<UserState> users;
  private final MapState<Long, ExperimentState> experiments;
  private final ListState<byte[]> changes;
  private final MapState<Tuple2<Long, Long>, byte[]> events;
  private final MapState<Tuple3<String, Long, Integer>, byte[]> figures;
  private final MapState<String, PendingEvent> spilled;
  private final MapState<Integer, UndecidedChange> undecided;

  /** Opens keyed state, as {@code AbstractStreamOperator.getOrCreateKeyedState} does. */
  interface Opening {
    <N, S extends State, T> S open(TypeSerializer<N> namespace, StateDescriptor<S, T> descriptor)
        throws Exception;
  }

  UserStates(Opening opening) throws Exception {
    users = single(opening, USERS);
    experiments = single(opening, EXPERIMENTS);
    spilled = single(opening, SPILLED);
    undecided = single(opening, UNDECIDED);
    changes = opening.open(LongSerializer.INSTANCE, CHANGES);
    events = opening.open(LongSerializer.INSTANCE, EVENTS);
    figures = opening.open(LongSerializer.INSTANCE, FIGURES);
  }

  private static <S extends State, T> S single(Opening opening, StateDescriptor<S, T> descriptor)
      throws Exception {
    S state = opening.open(VoidNamespaceSerializer.INSTANCE, descriptor);
    namespaced(state, VoidNamespace.INSTANCE);
    return state;
  }

  @SuppressWarnings("unchecked")
  private static <N> void namespaced(State state, N namespace) {
    ((InternalKvState<String, N, ?>) state).setCurrentNamespace(namespace);
  }

  ValueState<UserState> users() {
    return users;
  }

  MapState<Long, ExperimentState> experiments() {
    return experiments;
  }

  /** What was appended to the record of the experiment. */
  ListState<byte[]> changes(long experimentId) {
    namespaced(changes, experimentId);
    return changes;
  }

  MapState<Tuple2<Long, Long>, byte[]> events(long experimentId) {
    namespaced(events, experimentId);
    return events;
  }

  MapState<Tuple3<String, Long, Integer>, byte[]> figures(long experimentId) {
    namespaced(figures, experimentId);
    return figures;
  }

  MapState<String, PendingEvent> spilled() {
    return spilled;
  }

  MapState<Integer, UndecidedChange> undecided() {
    return undecided;
  }
}
