package io.experimentetl.model;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The phases of an experiment's allocation, oldest first; a record of broadcast state, and of a
 * resync's start. All operators that know the variants derive the same phases, because a phase
 * depends only on the changes of variants in commit order.
 *
 * @param mergedUpTo phases up to this number are judged as one, by this phase's weights; 0: none
 */
public record AllocationHistory(AllocationPhase[] phases, int mergedUpTo) implements Serializable {

  /** The history of an experiment without variants. */
  public static final AllocationHistory NONE = new AllocationHistory(new AllocationPhase[0], 0);

  /** With more changes, the last phase takes all of them, and its weights count as unknown. */
  static final int MAX_PHASES = 1_000;

  /** Ratios that differ by less are equal: weights may be rounded fractions. */
  private static final double SAME = 1e-9;

  /**
   * The history after a change of one of the experiment's variants.
   *
   * @return this if the ratio of the weights stays the same
   */
  public AllocationHistory after(Change change) {
    boolean gone = change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE;
    VariantRow row = (VariantRow) (gone ? change.before() : change.after());
    if (gone) {
      return without(row.id(), change);
    }
    if (change.position().lsn() == 0) {
      return withSnapshot(row);
    }
    Map<Long, Double> weights = weights(last());
    weights.put(row.id(), row.allocation());
    return append(weights, change);
  }

  /** The history after a change by which a variant left the experiment. */
  public AllocationHistory without(long variantId, Change change) {
    Map<Long, Double> weights = weights(last());
    return weights.remove(variantId) == null ? this : append(weights, change);
  }

  private AllocationHistory append(Map<Long, Double> weights, Change change) {
    AllocationPhase last = last();
    if (last != null && isSame(weights(last), weights)) {
      return replaceLast(
          phase(last.number(), last.fromSequence(), last.fromTime(), weights, false));
    }
    if (phases.length >= MAX_PHASES) {
      return last.weights().length == 0
          ? this
          : replaceLast(
              phase(last.number(), last.fromSequence(), last.fromTime(), Map.of(), false));
    }
    return add(
        phase(
            last == null ? 1 : last.number() + 1,
            change.sequenceNumber(),
            change.position().committedAt(),
            weights,
            false));
  }

  /**
   * The snapshot reads one variant after the other. A row that was changed since its creation says
   * nothing about the weights before that change.
   */
  private AllocationHistory withSnapshot(VariantRow row) {
    AllocationPhase last = last();
    if (last != null && last.fromSequence() > 0) {
      return this;
    }
    boolean continues = last != null && last.provisional();
    Map<Long, Double> weights = continues ? weights(last) : new TreeMap<>();
    weights.put(row.id(), row.allocation());
    long from = row.updatedAt() > row.createdAt() ? row.updatedAt() : AllocationPhase.ALWAYS;
    from = continues ? Math.max(from, last.fromTime()) : from;
    int earlier = continues ? phases.length - 1 : phases.length;
    int number = 1;
    if (earlier > 0) {
      AllocationPhase carried = phases[earlier - 1];
      boolean isCarried = isSame(weights(carried), weights);
      number = isCarried ? carried.number() : carried.number() + 1;
      from = Math.max(from, carried.fromTime() + 1);
    }
    AllocationPhase read = phase(number, 0, from, weights, true);
    return continues ? replaceLast(read) : add(read);
  }

  /** The same with all phases so far judged by the present weights. */
  public AllocationHistory merged() {
    return new AllocationHistory(phases, last() == null ? 0 : last().number());
  }

  /**
   * The phase of an assignment. An assignment that only the snapshot read was committed before all
   * changes of the stream, so it belongs to a phase that began before the stream.
   *
   * @param sequence of the change that brought it; 0: the snapshot, so its time decides
   * @param assignedAt microseconds since 1970 in UTC
   * @return a number, or {@link AllocationPhase#UNKNOWN}
   */
  public int phaseOf(long sequence, long assignedAt) {
    for (int i = phases.length - 1; i >= 0; i--) {
      AllocationPhase phase = phases[i];
      boolean isPast =
          sequence > 0
              ? phase.fromSequence() <= sequence
              : phase.fromSequence() == 0 && phase.fromTime() <= assignedAt;
      if (isPast) {
        return phase.number();
      }
    }
    return AllocationPhase.UNKNOWN;
  }

  /** The number of the phase by whose weights users of a phase are judged. */
  public int judgedAs(int phase) {
    return phase <= mergedUpTo ? mergedUpTo : phase;
  }

  /** The phase of that number; null: there is none. */
  public AllocationPhase phase(int number) {
    for (int i = phases.length - 1; i >= 0; i--) {
      if (phases[i].number() == number) {
        return phases[i];
      }
    }
    return null;
  }

  /** The present phase; null: there is none. */
  public AllocationPhase last() {
    return phases.length == 0 ? null : phases[phases.length - 1];
  }

  /** The phases, each number once, with the weights of the last of that number. */
  public List<AllocationPhase> distinct() {
    List<AllocationPhase> distinct = new ArrayList<>();
    Set<Integer> seen = new HashSet<>();
    for (AllocationPhase phase : phases) {
      if (seen.add(phase.number())) {
        AllocationPhase latest = phase(phase.number());
        distinct.add(
            new AllocationPhase(
                phase.number(),
                phase.fromSequence(),
                phase.fromTime(),
                latest.variantIds(),
                latest.weights(),
                false));
      }
    }
    return distinct;
  }

  /** Whether snapshot rows of the same times belong to the same phases in both. */
  public boolean datesLike(AllocationHistory other) {
    if (phases.length != other.phases.length) {
      return false;
    }
    for (int i = 0; i < phases.length; i++) {
      if (phases[i].number() != other.phases[i].number()
          || phases[i].fromTime() != other.phases[i].fromTime()) {
        return false;
      }
    }
    return true;
  }

  private AllocationHistory add(AllocationPhase phase) {
    AllocationPhase[] longer = Arrays.copyOf(phases, phases.length + 1);
    longer[phases.length] = phase;
    return new AllocationHistory(longer, mergedUpTo);
  }

  private AllocationHistory replaceLast(AllocationPhase phase) {
    AllocationPhase[] replaced = phases.clone();
    replaced[phases.length - 1] = phase;
    return new AllocationHistory(replaced, mergedUpTo);
  }

  private static AllocationPhase phase(
      int number, long sequence, long time, Map<Long, Double> weights, boolean provisional) {
    return new AllocationPhase(
        number,
        sequence,
        time,
        weights.keySet().stream().mapToLong(Long::longValue).toArray(),
        weights.values().stream().mapToDouble(Double::doubleValue).toArray(),
        provisional);
  }

  /** The weights of a phase by variant. */
  public static Map<Long, Double> weights(AllocationPhase phase) {
    Map<Long, Double> weights = new TreeMap<>();
    for (int i = 0; phase != null && i < phase.weights().length; i++) {
      weights.put(phase.variantIds()[i], phase.weights()[i]);
    }
    return weights;
  }

  /** Whether the ratios are equal; a variant of weight 0 takes no part. */
  private static boolean isSame(Map<Long, Double> a, Map<Long, Double> b) {
    double sumA = a.values().stream().mapToDouble(Double::doubleValue).sum();
    double sumB = b.values().stream().mapToDouble(Double::doubleValue).sum();
    Set<Long> ids = new HashSet<>(a.keySet());
    ids.addAll(b.keySet());
    for (long id : ids) {
      double shareA = sumA > 0 ? a.getOrDefault(id, 0.0) / sumA : 0;
      double shareB = sumB > 0 ? b.getOrDefault(id, 0.0) / sumB : 0;
      if (Math.abs(shareA - shareB) > SAME) {
        return false;
      }
    }
    return true;
  }
}
