/**
 * Cold storage: months of events and assignments as Parquet files in a folder or a bucket, each
 * month with a manifest.
 */
package io.experimentetl.archive;
