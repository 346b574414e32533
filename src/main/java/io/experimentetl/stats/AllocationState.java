package io.experimentetl.stats;

import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.Change;
import io.experimentetl.model.ExperimentAllocation;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.VariantRow;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.OperatorStateStore;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;

/** The phases of all experiments' allocations in broadcast state, and their rows. */
final class AllocationState {
  private static final MapStateDescriptor<Long, AllocationHistory> HISTORIES =
      new MapStateDescriptor<>(
          "allocations", Types.LONG, TypeInformation.of(AllocationHistory.class));
  private static final MapStateDescriptor<Long, Long> CORRECTIONS =
      new MapStateDescriptor<>("corrected-allocations", Types.LONG, Types.LONG);

  /** No phase was sent yet: {@link HealthState#allocationsSent}. */
  static final long NONE_SENT = -1;

  private final BroadcastState<Long, AllocationHistory> histories;
  private final BroadcastState<Long, Long> corrections;
  private final Map<Long, AllocationHistory> removed = new HashMap<>();
  private final Set<Long> changed = new HashSet<>();
  private final Set<Long> corrected = new HashSet<>();

  AllocationState(OperatorStateStore state) throws Exception {
    histories = state.getBroadcastState(HISTORIES);
    corrections = state.getBroadcastState(CORRECTIONS);
  }

  /** Takes over the phases that an older warehouse knows. */
  void carryOver(Map<Long, AllocationHistory> known) throws Exception {
    histories.putAll(known);
  }

  /**
   * Lets the present weights of experiments hold for all their users, once per number: a restart of
   * the job must not do it again after later changes.
   *
   * @param numbers by experiment, greater than that of an earlier correction
   */
  void correct(Map<Long, Long> numbers) throws Exception {
    for (Map.Entry<Long, Long> correction : numbers.entrySet()) {
      long experimentId = correction.getKey();
      Long before = corrections.get(experimentId);
      if (before == null || before < correction.getValue()) {
        corrections.put(experimentId, correction.getValue());
        put(experimentId, of(experimentId).merged());
        corrected.add(experimentId);
      }
    }
  }

  AllocationHistory of(long experimentId) throws Exception {
    AllocationHistory history = histories.get(experimentId);
    return history == null ? AllocationHistory.NONE : history;
  }

  /**
   * Applies a change of a variant.
   *
   * @param before the variant before; null: it was not known
   */
  void apply(Change change, VariantRow row, VariantWeight before) throws Exception {
    if (before != null && before.experimentId() != row.experimentId()) {
      put(before.experimentId(), of(before.experimentId()).without(row.id(), change));
    }
    put(row.experimentId(), of(row.experimentId()).after(change));
  }

  private void put(long experimentId, AllocationHistory history) throws Exception {
    if (history.last() != null && !history.equals(histories.get(experimentId))) {
      histories.put(experimentId, history);
      changed.add(experimentId);
    }
  }

  /** The experiment was deleted. */
  void remove(long experimentId) throws Exception {
    AllocationHistory history = histories.get(experimentId);
    if (history != null) {
      histories.remove(experimentId);
      removed.put(experimentId, history);
    }
  }

  /** The experiments whose users are all judged by other weights since the last barrier. */
  Set<Long> corrected() {
    return corrected;
  }

  /**
   * The rows to send: of phases that were not sent yet, and of the last one, whose weights may be
   * scaled otherwise.
   *
   * @param sentUpTo greatest sequence number of a phase that was sent, or {@link #NONE_SENT}
   * @param version of the rows
   */
  List<ExperimentAllocation> rows(long experimentId, long sentUpTo, RowVersion version)
      throws Exception {
    List<ExperimentAllocation> rows = new ArrayList<>();
    AllocationHistory former = removed.get(experimentId);
    if (former != null) {
      RowVersion tombstone = version.deletedBy("");
      for (AllocationPhase phase : former.distinct()) {
        rows.add(new ExperimentAllocation(experimentId, phase, phase.number(), tombstone));
      }
    }
    AllocationHistory history = of(experimentId);
    boolean isCorrected = corrected.contains(experimentId);
    AllocationPhase last = history.last();
    if (last == null || !(sentUpTo == NONE_SENT || changed.contains(experimentId))) {
      return rows;
    }
    if (isCorrected) {
      rows.add(row(experimentId, ofUnknownUsers(last), history, version));
    }
    for (AllocationPhase phase : history.distinct()) {
      boolean mayDiffer = phase.fromSequence() == 0 || phase.number() == last.number();
      if (isCorrected || mayDiffer || phase.fromSequence() > sentUpTo) {
        rows.add(row(experimentId, phase, history, version));
      }
    }
    return rows;
  }

  private static ExperimentAllocation row(
      long experimentId, AllocationPhase phase, AllocationHistory history, RowVersion version) {
    return new ExperimentAllocation(experimentId, phase, history.judgedAs(phase.number()), version);
  }

  private static AllocationPhase ofUnknownUsers(AllocationPhase last) {
    return new AllocationPhase(
        AllocationPhase.UNKNOWN,
        0,
        AllocationPhase.ALWAYS,
        last.variantIds(),
        last.weights(),
        false);
  }

  /** Call after each barrier's rows. */
  void clear() {
    removed.clear();
    changed.clear();
    corrected.clear();
  }
}
