package io.experimentetl.attribution;

import io.experimentetl.model.AllocationHistory;

/**
 * An edit of an experiment whose users are not all counted by it yet; a record of operator state.
 *
 * @param origin of the edit
 * @param resolvesReferences the edit brought a row that facts had referred to
 * @param formerVersion the version of the dimensions before: see {@link Dimensions#versionOf}
 * @param former the experiment before; null: it was not known
 * @param formerVariants its variants before
 * @param formerAllocation the phases of its allocation before
 * @param keyGroups the key groups whose users remain
 */
public record UnfinishedEdit(
    long experimentId,
    Origin origin,
    boolean resolvesReferences,
    long formerVersion,
    ExperimentDimension former,
    VariantDimension[] formerVariants,
    AllocationHistory formerAllocation,
    int[] keyGroups) {}
