/**
 * The whole platform on one machine without Docker: real servers from Maven Central and npm on free
 * ports, and the command line {@code ./etl} that starts, watches and stops them. The job's jar
 * contains none of this package, and no other package imports it.
 */
package io.experimentetl.local;
