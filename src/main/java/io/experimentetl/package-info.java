/** The job and its graph: configuration, environment, pipeline, execute. */
package io.experimentetl;
