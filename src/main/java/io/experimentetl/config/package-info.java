/**
 * The job's configuration: plain records, read from one file and checked as a whole before anything
 * connects.
 */
package io.experimentetl.config;
