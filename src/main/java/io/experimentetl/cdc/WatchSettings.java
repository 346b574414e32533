package io.experimentetl.cdc;

import io.experimentetl.config.UnstreamedChanges;
import java.io.Serializable;

/**
 * How the source is watched for changes that never enter the stream.
 *
 * @param server the source's server
 * @param policy what happens when changes were lost
 * @param comparison compares a table with the warehouse
 */
public record WatchSettings(
    PostgresSourceSettings server, UnstreamedChanges policy, TableComparison comparison)
    implements Serializable {}
