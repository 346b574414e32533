/**
 * Step 2, per user: the join with the dimensions, first exposure, crossover, and the facts whose
 * reference is missing.
 */
package io.experimentetl.attribution;
