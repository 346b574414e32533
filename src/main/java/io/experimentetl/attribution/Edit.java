package io.experimentetl.attribution;

/**
 * An edit of an experiment, as its users see it.
 *
 * @param before the experiment before the edit; null: it was not known
 */
record Edit(long experimentId, Origin origin, ExperimentDimension before) {}
