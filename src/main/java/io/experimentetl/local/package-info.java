/**
 * The one-machine platform: real servers on free ports, and the {@code ./etl} verbs that start,
 * watch and stop them; never in the job jar, imported by no other package.
 */
package io.experimentetl.local;
