package io.experimentetl.cdc;

import io.experimentetl.model.Finding;
import java.util.List;

/**
 * What one look at the source and the comparisons after it led to.
 *
 * @param memory to keep in state
 * @param findings without a version
 * @param stop why the job must not go on, with the remedy; null: it goes on
 */
record WatchReport(WatchMemory memory, List<Finding> findings, String stop) {}
