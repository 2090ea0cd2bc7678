// In place of unfold's copy of Chart.js (200 kB), which every page of the admin loads: no page of this admin draws with it.
