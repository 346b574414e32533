package io.experimentetl.cdc;

import java.util.List;

/**
 * One look at the source.
 *
 * @param takenAt by the server's clock, microseconds since 1970 in UTC
 * @param requests the open requests to read a table again
 * @param announced what partition maintenance says that it did in the last 30 days
 */
record SourceLook(
    SourceCatalogue catalogue,
    long takenAt,
    List<ResyncRequest> requests,
    List<PartitionAnnouncement> announced) {}
