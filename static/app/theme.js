// Runs before anything is drawn, so that a chosen theme never flashes.
try {
  const theme = localStorage.getItem("xenblocks.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is blocked: the system's theme */ }
