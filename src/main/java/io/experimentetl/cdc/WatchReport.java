package io.experimentetl.cdc;

import io.experimentetl.model.Finding;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Set;

/**
 * What one look at the source and the comparisons after it led to.
 *
 * @param memory to keep in state
 * @param findings without a version
 * @param settled the tables of which PostgreSQL sent parts of rows, and which agree now or are
 *     reported as different
 * @param stop why the job must not go on, with the remedy; null: it goes on
 */
record WatchReport(
    WatchMemory memory, List<Finding> findings, Set<SourceTable> settled, String stop) {}
