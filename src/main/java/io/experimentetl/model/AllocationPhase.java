package io.experimentetl.model;

import java.io.Serializable;

/**
 * A span of positions in which an experiment's variants had one set of weights; a record of
 * broadcast state.
 *
 * @param number from 1 on; 0 stands for an unknown phase
 * @param fromSequence sequence number of the change that began it; 0: the snapshot found it
 * @param fromTime commit time of that change, microseconds since 1970 in UTC; {@link #ALWAYS}: no
 *     earlier allocation is known or likely
 * @param variantIds ascending
 * @param weights in the order of the ids; only their ratio counts. Empty: they are not known
 * @param provisional the snapshot is reading the variants, so more of them may come
 */
public record AllocationPhase(
    int number,
    long fromSequence,
    long fromTime,
    long[] variantIds,
    double[] weights,
    boolean provisional)
    implements Serializable {

  /** The number of users whose allocation is not known. */
  public static final int UNKNOWN = 0;

  /** Before any time that the warehouse can hold: 1900-01-01, microseconds since 1970 in UTC. */
  public static final long ALWAYS = -2_208_988_800_000_000L;
}
