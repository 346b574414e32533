/**
 * For steps 1 to 3: the checks of rows as plain functions, and the reporter of findings that all
 * operators share. Findings, their codes and their subjects travel between the steps: these records
 * are in {@link io.experimentetl.model}.
 */
package io.experimentetl.quality;
